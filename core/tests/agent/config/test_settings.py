"""The node configuration file."""

from __future__ import annotations

import importlib.metadata
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from secnet.agent.config.settings import Settings, load_settings
from secnet.agent.model.limits import Limits
from secnet.agent.plugins.registry import Registry
from secnet.contract import InvalidConfig, load_fragment, thaw
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)
BRIDGES = [{"bridgeName": "br1"}]


def load(folder: Path, text: str) -> Settings:
    path = folder / "node.yaml"
    path.write_text(text)
    return load_settings(path, REGISTRY)


def test_every_key_has_a_default() -> None:
    assert load_settings(None, REGISTRY) == Settings(node_name=socket.gethostname())


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "drivers:\nlog:\n"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == load_settings(None, REGISTRY)


def test_the_schema_documents_the_defaults_that_hold() -> None:
    found = load_settings(None, REGISTRY)
    schema = load_fragment("secnet.agent.config", "node.json")["properties"]
    documented = {key: item["default"] for key, item in schema.items() if item.get("default") not in (None, {})}
    assert documented == {
        "runDir": str(found.run_dir),
        "stateDir": str(found.state_dir),
        "ovsdb": found.ovsdb,
        "ownerTag": found.owner_tag,
        "multus": found.multus,
    }
    kubelet = schema["kubelet"]["properties"]["podResources"]
    assert kubelet["default"] == str(found.pod_resources)
    assert {key: item["default"] for key, item in schema["log"]["properties"].items()} == {
        "level": found.log_level,
        "format": found.log_format,
    }
    assert {key: item["default"] for key, item in schema["workers"]["properties"].items()} == {
        "count": found.workers,
        "attachTimeout": found.attach_timeout,
        "checkInterval": found.check_interval,
        "drainSeconds": found.drain_seconds,
    }
    assert {key: item["default"] for key, item in schema["limits"]["properties"].items()} == {
        "networksPerPod": found.limits.networks_per_pod,
        "listItems": found.limits.list_items,
        "textBytes": found.limits.text_bytes,
    }


def test_every_key_takes_effect(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        """
        nodeName: n1
        runDir: run
        stateDir: /var/lib/other
        ovsdb: tcp:127.0.0.1:6640
        ownerTag: second
        manifests: ../manifests
        multus: present
        kubelet: {podResources: kubelet.sock}
        drivers: {vlan: {ovsBridges: [{bridgeName: br1}]}}
        ipam: {pools: {reserve: 2}}
        log: {level: debug, format: json}
        workers: {count: 2, attachTimeout: 5.5, checkInterval: 7, drainSeconds: 0}
        limits: {networksPerPod: 5, listItems: 20, textBytes: 2048}
        """,
    )
    assert found == Settings(
        node_name="n1",
        run_dir=tmp_path / "run",
        state_dir=Path("/var/lib/other"),
        ovsdb="tcp:127.0.0.1:6640",
        owner_tag="second",
        manifests=tmp_path / "../manifests",
        multus="present",
        pod_resources=tmp_path / "kubelet.sock",
        drivers={"vlan": {"ovsBridges": BRIDGES}},
        backends={"pools": {"reserve": 2}},
        log_level="debug",
        log_format="json",
        workers=2,
        attach_timeout=5.5,
        check_interval=7,
        drain_seconds=0,
        limits=Limits(networks_per_pod=5, list_items=20, text_bytes=2048),
    )
    host = found.driver_context("vlan")
    assert (host.node_name, host.run_dir, host.owner_tag) == ("n1", tmp_path / "run", "second")
    assert host.ovsdb == "tcp:127.0.0.1:6640"
    assert thaw(host.config) == {"ovsBridges": BRIDGES}
    assert host.state_dir == found.state_dir
    assert thaw(found.driver_context("slot").config) == {}
    assert thaw(found.backend_context("pools").config) == {"reserve": 2}
    assert thaw(found.backend_context("other").config) == {}


@pytest.mark.parametrize(
    "text", ["ovsBridges: [{bridgeName: br1}]", "secondaryNetwork: {ovsBridges: [{bridgeName: br1}]}"]
)
def test_bridges_at_their_compatible_places(tmp_path: Path, text: str) -> None:
    assert thaw(load(tmp_path, text).drivers) == {"vlan": {"ovsBridges": BRIDGES}}


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ("nodename: x", "$.nodename", "nodeName"),
        ("nodeName: 5", "$.nodeName", "quotes"),
        ("nodeName: 'n1\n\n'", "$.nodeName", "form"),
        ("ovsBrigdes: []", "$.ovsBrigdes", "ovsBridges"),
        ("secondaryNetwork: {bridges: []}", "$.secondaryNetwork.bridges", "ovsBridges"),
        ("colour: red", "$.colour", "install the distribution of the driver"),
        ("ovsdb: /var/run/db.sock", "$.ovsdb", "unix:"),
        ("workers: {count: 0}", "$.workers.count", "at least 1"),
        ("workers: {count: 2.0}", "$.workers.count", "write 2"),
        ("workers: {threads: 2}", "$.workers.threads", "count"),
        ("limits: {networksPerPod: 0}", "$.limits.networksPerPod", "at least 1"),
        ("limits: {networks: 5}", "$.limits.networks", "networksPerPod"),
        ("log: {level: loud}", "$.log.level", "debug"),
        ("drivers: {vlan: {bridges: []}}", "$.drivers.vlan.bridges", "driver vlan"),
        ("drivers: {vlan: {ovsBridges: [{}]}}", "$.drivers.vlan.ovsBridges[0].bridgeName", "missing"),
        ("drivers: {vlna: {}}", "$.drivers.vlna", "did you mean 'vlan'"),
        ("drivers: []", "$.drivers", "object"),
        ("ipam: {pools: {reserve: -1}}", "$.ipam.pools.reserve", "at least 0"),
        ("ipam: {pools: {reserved: 1}}", "$.ipam.pools.reserved", "reserve"),
        ("ipam: {pool: {}}", "$.ipam.pool", "did you mean 'pools'"),
        ("ovsBridges: [{name: br1}]", "$.ovsBridges[0]", "bridgeName"),
        ("ovsBridges: br1", "$.ovsBridges", "list"),
        ("secondaryNetwork: {ovsBridges: {}}", "$.secondaryNetwork.ovsBridges", "list"),
        ("ovsBridges: []\ndrivers: {vlan: {ovsBridges: []}}", "$.drivers.vlan.ovsBridges", "$.ovsBridges"),
        ("ovsBridges: []\nsecondaryNetwork: {ovsBridges: []}", "$.secondaryNetwork.ovsBridges", "$.ovsBridges"),
        ("- a", "$", "keys"),
        ("nodeName: a\nnodeName: b", "", "line 2"),
        ("nodeName: [", "", "not YAML"),
        ("nodeName: a\n---\nnodeName: b", "", "second document"),
    ],
)
def test_refused_with_file_path_and_remedy(tmp_path: Path, text: str, path: str, word: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, text)
    assert caught.value.subject == f"node configuration {tmp_path / 'node.yaml'}"
    assert caught.value.path.startswith(path)
    assert word in str(caught.value)
    assert caught.value.hint


_ANTREA = """
featureGates: {AntreaIPAM: true, SecondaryNetwork: true}
ovsBridge: br-int
hostGateway: antrea-gw0
trafficEncapMode: encap
wireGuard: {port: 51820}
egress:
secondaryNetwork: {ovsBridges: [{bridgeName: br1}]}
"""


def test_antreas_own_file_is_taken_and_says_what_has_no_effect(tmp_path: Path) -> None:
    found = load(tmp_path, _ANTREA)
    assert thaw(found.drivers) == {"vlan": {"ovsBridges": BRIDGES}}
    gate, others, keys = (note.removeprefix(f"{tmp_path / 'node.yaml'}: ") for note in found.notes)
    assert gate.startswith("$.featureGates.SecondaryNetwork: on here or not, secnet works")
    assert others.startswith("$.featureGates: AntreaIPAM: ")
    assert (
        keys
        == "$: hostGateway, ovsBridge, trafficEncapMode, wireGuard: of Antrea's primary network, without effect here"
    )
    assert replace(found, notes=()) == load(tmp_path, "ovsBridges: [{bridgeName: br1}]")


def test_a_gate_that_is_off_turns_nothing_off(tmp_path: Path) -> None:
    """It is off in Antrea's file once its users have moved here, and that file may be the one they paste."""
    found = load(tmp_path, _ANTREA.replace("SecondaryNetwork: true", "SecondaryNetwork: false"))
    assert thaw(found.drivers) == {"vlan": {"ovsBridges": BRIDGES}}
    assert found.notes[0].startswith(
        f"{tmp_path / 'node.yaml'}: $.featureGates.SecondaryNetwork: off here or not, secnet works"
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("featureGates: {SecondaryNetwork: 'yes'}", "$.featureGates.SecondaryNetwork"),
        ("featureGates: [SecondaryNetwork]", "$.featureGates"),
        ("hostGateways: antrea-gw0", "$.hostGateways"),
        ("ovsBridge: [{bridgeName: br1}]", "$.ovsBridge"),
    ],
)
def test_what_antreas_file_does_not_have_is_refused(tmp_path: Path, text: str, path: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, text)
    assert caught.value.path == path


def test_the_node_name_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_NAME", "worker-7")
    assert load(tmp_path, "").node_name == "worker-7"
    assert load(tmp_path, "nodeName: worker-7").node_name == "worker-7"
    with pytest.raises(InvalidConfig, match="'n1', and the environment variable NODE_NAME says 'worker-7'") as caught:
        load(tmp_path, "nodeName: n1")
    assert (caught.value.path, "remove nodeName" in caught.value.hint) == ("$.nodeName", True)
    monkeypatch.setenv("NODE_NAME", "")
    assert load(tmp_path, "nodeName: n1").node_name == "n1"


@pytest.mark.parametrize(
    ("text", "given"), [("cni: {}", "kube-system"), ("cni: {failOpenNamespaces: [monitoring]}", "monitoring")]
)
def test_the_agents_own_namespace_never_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, given: str
) -> None:
    for environment, own in (("network", {"network"}), ("", set())):
        monkeypatch.setenv("POD_NAMESPACE", environment)
        settings = load(tmp_path, text)
        assert settings.cni is not None
        assert settings.cni.fail_open_namespaces == {given} | own
        assert settings.agent_namespace == environment


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load_settings(tmp_path / name, REGISTRY)


def test_a_broken_driver_does_not_keep_its_section_from_being_read(tmp_path: Path) -> None:
    def broken(group: str) -> list[importlib.metadata.EntryPoint]:
        return (
            [importlib.metadata.EntryPoint("vlan", "no_such_module:X", group)]
            if group == "secnet.network_types"
            else []
        )

    registry, path = Registry.load(broken), tmp_path / "node.yaml"
    path.write_text("ovsBridges: []\ndrivers: {vlan: {ovsBridges: [{bridgeName: br1}]}}")
    settings = load_settings(path, registry)
    assert thaw(settings.drivers) == {"vlan": {"ovsBridges": BRIDGES}}
    assert settings.notes == (f"{path}: $.ovsBridges: it has no effect now: no driver that can be loaded takes it",)
    path.write_text("nodname: n1")
    with pytest.raises(InvalidConfig, match="did you mean 'nodeName'"):
        load_settings(path, registry)


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ("drivers: {vlan: {}}", "$.drivers.vlan", "no driver for network type 'vlan' is installed"),
        ("ovsBridges: [{bridgeName: br1}]", "$.ovsBridges", "install the distribution of the driver that takes it"),
    ],
)
def test_what_belongs_to_a_driver_that_is_not_installed_is_refused(
    tmp_path: Path, text: str, path: str, word: str
) -> None:
    (tmp_path / "node.yaml").write_text(text)
    with pytest.raises(InvalidConfig, match=word) as caught:
        load_settings(tmp_path / "node.yaml", Registry())
    assert caught.value.path == path
