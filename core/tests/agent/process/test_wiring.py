"""How the parts of the agent are joined."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from secnet.agent.config.settings import Settings
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.preflight.multus import Multus
from secnet.agent.preflight.own_node import OwnNode
from secnet.agent.process._wiring import _may_begin, _read_elsewhere
from secnet.agent.sandboxes.cri import RuntimeClient
from secnet.contract import NetworkRef
from secnet_testing.scripted_plugins import Script, toy_registry


def test_multus_that_came_up_while_the_objects_were_listed_is_known_before_the_first_pod(tmp_path: Path) -> None:
    nads = NadCache(toy_registry(Script()))
    config = json.dumps({"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy"})
    nads.update({"metadata": {"namespace": "default", "name": "blue"}, "spec": {"config": config}})
    settings = Settings(node_name="n1", state_dir=tmp_path / "state", cni_conf_dir=tmp_path)
    multus = Multus(settings, look_seconds=0.0, on_look=nads.set_multus)
    blue = NetworkRef(namespace="default", name="blue")
    multus()
    config_of_blue = nads.look_up(blue)
    assert config_of_blue is not None
    assert not nads.is_left_to_multus(config_of_blue)
    (tmp_path / "00-multus.conf").write_text(json.dumps({"cniVersion": "1.0.0", "name": "m", "type": "multus-shim"}))
    assert _may_begin(OwnNode(None, "n1"), multus)
    assert nads.is_left_to_multus(config_of_blue), "Multus calls the plugin for it itself"


def test_a_runtime_without_an_answer_is_not_one_that_does_not_say(tmp_path: Path) -> None:
    socket = tmp_path / "runtime.sock"
    with RuntimeClient(socket) as runtime:
        assert _read_elsewhere(runtime) is None
    with ThreadPoolExecutor(1) as pool:
        of_another_kind = grpc.server(pool)
        of_another_kind.add_insecure_port(f"unix:{socket}")
        of_another_kind.start()
        try:
            with RuntimeClient(socket) as runtime:
                assert _read_elsewhere(runtime) == ""
        finally:
            of_another_kind.stop(None).wait()
    assert _read_elsewhere(None) == ""
