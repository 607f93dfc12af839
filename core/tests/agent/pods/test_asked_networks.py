"""What a Pod's annotation and a NAD say of a network that a caller of the plugin asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet.agent.model.network import CommonOptions
from secnet.agent.model.record import Origin, Record
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods.asked_networks import AskedNetworks
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.contract import PodRef
from secnet_testing.contract_objects import POD, record
from secnet_testing.scripted_plugins import Script, toy_registry

MAC = "02:00:00:00:00:01"
CONFIG = {"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy"}


class Scene:
    """A cluster with one Pod, and what was said of it."""

    def __init__(self) -> None:
        self.pods = PodTable("node-1")
        self.nads = NadCache(toy_registry(Script()))
        self.events: list[tuple[str, str]] = []
        self.asked = AskedNetworks(self.pods, self.nads, self._record)

    def _record(self, pod: Any, *, warning: bool, reason: str, message: str) -> None:
        assert (warning, pod["metadata"]["name"]) == (True, POD.name)
        self.events.append((reason, message))

    def pod(self, *elements: dict[str, Any], text: str | None = None, uid: str = POD.uid) -> None:
        annotations = {"k8s.v1.cni.cncf.io/networks": text if text is not None else json.dumps(elements)}
        meta = {"namespace": POD.namespace, "name": POD.name, "uid": uid, "annotations": annotations}
        self.pods.update({"metadata": meta})

    def nad(self, nad_name: str = "blue", **config: Any) -> None:
        meta = {"namespace": "default", "name": nad_name}
        self.nads.update({"metadata": meta, "spec": {"config": json.dumps(CONFIG | config)}})


def made(ifname: str = "net1", **rest: Any) -> Record:
    return record(ifname, origin=Origin.CNI, **rest)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_the_network_does_not_declare_is_missed_and_reported_once(scene: Scene) -> None:
    scene.nad(capabilities={"ips": True, "mac": False})
    scene.pod({"name": "blue", "mac": MAC, "ips": ["10.0.0.5"], "bandwidth": {"ingressRate": 5}})
    error = scene.asked.note(made())
    assert error is not None
    assert (error.reason, error.subject) == ("CapabilityNotDeclared", "NetworkAttachmentDefinition default/blue")
    assert "mac and bandwidth" in error.message
    assert '"capabilities": {"ips": true, "mac": true, "bandwidth": true}' in error.hint
    assert scene.asked.note(made()) == error
    ((reason, message),) = scene.events
    assert reason == "CapabilityNotDeclared"
    assert message.startswith("default/blue (net1): ")
    scene.asked.forget(made().key)
    scene.asked.note(made())
    assert len(scene.events) == 2


def test_what_was_passed_on_is_not_missed(scene: Scene) -> None:
    scene.nad()
    scene.pod({"name": "blue", "mac": MAC})
    assert scene.asked.note(made(attachment_options={"mac": MAC})) is None
    assert scene.events == []


def test_a_pod_that_asks_for_nothing_misses_nothing(scene: Scene) -> None:
    scene.nad()
    scene.pod({"name": "blue", "default-route": [], "cni-args": {"a": 1}})
    assert scene.asked.note(made()) is None


def test_what_changed_after_the_attach_is_not_missed_where_the_network_declares_it(scene: Scene) -> None:
    scene.nad(capabilities={"mac": True})
    scene.pod({"name": "blue", "mac": MAC})
    assert scene.asked.note(made()) is None


@pytest.mark.parametrize(
    ("ifname", "missed"), [("net1", True), ("net2", False), ("net9", True), ("net4", False), ("other", False)]
)
def test_the_interface_name_tells_which_of_several_selections_it_is(scene: Scene, ifname: str, missed: bool) -> None:
    scene.nad()
    named = {"name": "blue", "interface": "net9", "mac": "02:00:00:00:00:02"}
    scene.pod({"name": "blue", "mac": MAC}, {"name": "blue"}, named, {"name": "blue"})
    assert (scene.asked.note(made(ifname)) is not None) is missed


def test_a_network_is_known_by_the_name_in_its_configuration(scene: Scene) -> None:
    scene.nad("of-the-nad", name="blue")
    scene.pod({"name": "of-the-nad", "mac": MAC})
    error = scene.asked.note(made())
    assert error is not None
    assert error.subject == "NetworkAttachmentDefinition default/of-the-nad"


@pytest.mark.parametrize("text", ["{", "[null]", "other", '[{"name": "blue", "mac": "x"}]'])
def test_what_cannot_be_read_says_nothing(scene: Scene, text: str) -> None:
    scene.nad()
    scene.pod(text=text)
    assert scene.asked.note(made()) is None


def test_another_pod_of_the_name_says_nothing(scene: Scene) -> None:
    scene.nad()
    scene.pod({"name": "blue", "mac": MAC}, uid="of-a-later-one")
    assert scene.asked.note(made()) is None
    assert scene.asked.note(made(pod=None)) is None
    assert scene.asked.note(made(pod=PodRef(namespace="default", name=POD.name, uid=""))) is not None


def test_an_invalid_network_says_nothing(scene: Scene) -> None:
    scene.nad(networkType="none")
    scene.pod({"name": "blue", "mac": MAC})
    assert scene.asked.note(made()) is None


def test_a_member_of_a_chain_has_no_drift_of_its_own_in_the_pod(scene: Scene) -> None:
    plugins = [{"type": "secnet", "networkType": "toy"}, {"type": "tuning"}]
    meta = {"namespace": "default", "name": "blue"}
    config = {"cniVersion": "1.0.0", "name": "blue", "plugins": plugins}
    scene.nads.update({"metadata": meta, "spec": {"config": json.dumps(config)}})
    scene.pod({"name": "blue"})
    assert scene.asked.as_called(made()).common == CommonOptions(disable_check=True, chained=True)
    switched_off = made(common=CommonOptions(disable_check=True))
    assert scene.asked.as_called(switched_off) == switched_off


def test_a_network_that_stands_alone_is_checked_whole(scene: Scene) -> None:
    scene.nad()
    scene.pod({"name": "blue"})
    assert scene.asked.as_called(made()) == made()
