"""Drop-ins below the node configuration: which wins, and which file a message names."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.config.settings import Settings, load_settings
from secnet.agent.plugins.registry import Registry
from secnet.contract import InvalidConfig, thaw
from secnet_testing.sample_plugins import sample_entry_points

REGISTRY = Registry.load(sample_entry_points)
BRIDGES = [{"bridgeName": "br1"}]


def load(folder: Path, top: str, **drop_ins: str) -> Settings:
    """node.yaml with these files beside it: `a10=...` is node.d/a10.yaml."""
    (folder / "node.d").mkdir()
    (folder / "node.yaml").write_text(top)
    for name, text in drop_ins.items():
        (folder / f"node.d/{name}.yaml").write_text(text)
    return load_settings(folder / "node.yaml", REGISTRY)


def test_the_file_wins_over_drop_ins_key_by_key(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "cni: {failOpenNamespaces: [monitoring]}\nlog: {level: debug}",
        a10="cni: {confDir: /etc/cni/net.d, failOpenNamespaces: [kube-system, x]}\nhttp: {}\nlog: {level: error}",
        a20="http: {listen: '127.0.0.1:1'}\nlog: {format: json}",
    )
    assert found.cni is not None
    assert found.cni.conf_dir == Path("/etc/cni/net.d")
    assert found.cni.fail_open_namespaces == {"monitoring"}, "a list replaces the one below"
    assert (found.log_level, found.log_format, found.http_listen) == ("debug", "json", "127.0.0.1:1")


def test_later_names_win_and_other_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "node.d").mkdir()
    for name in ("b.yaml", "a.yaml", "z.yaml.bak", ".hidden.yaml"):
        (tmp_path / "node.d" / name).write_text(f"ownerTag: tag-{name[0].replace('.', 'h')}")
    (tmp_path / "node.yaml").write_text("")
    assert load_settings(tmp_path / "node.yaml", REGISTRY).owner_tag == "tag-b"


def test_an_empty_section_takes_nothing_away(tmp_path: Path) -> None:
    found = load(tmp_path, "http:\nlog:\n", a="http: {listen: '127.0.0.1:1'}\nlog: {level: error}")
    assert (found.http_listen, found.log_level) == ("127.0.0.1:1", "error")


def test_a_path_is_relative_to_the_folder_of_the_file_that_gives_it(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "stateDir: state\nkubernetes: {}\ncni: {binDir: bin}",
        a="runDir: run\nstateDir: lower\nkubernetes: {kubeconfig: kc}\ncni: {confDir: net.d, binDir: lower}",
    )
    assert found.kubernetes is not None
    assert found.cni is not None
    drop_ins = tmp_path / "node.d"
    assert (found.run_dir, found.kubernetes.kubeconfig) == (drop_ins / "run", drop_ins / "kc")
    assert (found.cni.conf_dir, found.cni.socket) == (drop_ins / "net.d", drop_ins / "run/cni.sock")
    assert (found.state_dir, found.cni.bin_dir) == (tmp_path / "state", tmp_path / "bin")


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("ovsBridges: [{bridgeName: br0}]", "secondaryNetwork: {ovsBridges: [{bridgeName: br1}]}"),
        ("drivers: {vlan: {ovsBridges: [{bridgeName: br0}]}}", "ovsBridges: [{bridgeName: br1}]"),
        ("secondaryNetwork: {ovsBridges: [{bridgeName: br0}]}", "drivers: {vlan: {ovsBridges: [{bridgeName: br1}]}}"),
    ],
)
def test_a_setting_may_stand_at_another_of_its_places(tmp_path: Path, below: str, above: str) -> None:
    assert thaw(load(tmp_path, above, a=below).drivers) == {"vlan": {"ovsBridges": BRIDGES}}


@pytest.mark.parametrize(
    ("top", "drop_in", "file", "path"),
    [
        ("", "cni: {confdir: /x}", "node.d/a.yaml", "$.cni.confdir"),
        ("cni: {confdir: /x}", "cni: {socket: /x}", "node.yaml", "$.cni.confdir"),
        ("cni: {socket: /x}", "cni: {confDir: 5}", "node.d/a.yaml", "$.cni.confDir"),
        ("log: {level: loud}", "log: {level: 5}", "node.yaml", "$.log.level"),
        ("manifests: /x", "kubernetes: {}", "node.yaml", "$.manifests"),
        ("kubernetes: {}", "manifests: /x", "node.d/a.yaml", "$.manifests"),
        ("", "ovsBridges: [{name: br1}]", "node.d/a.yaml", "$.ovsBridges[0]"),
        ("drivers: {vlan: {}}", "drivers: {vlan: {'a.b': 1}}", "node.d/a.yaml", "$.drivers.vlan['a.b']"),
        ("", "nodeName: [", "node.d/a.yaml", "line "),
        ("", "- a", "node.d/a.yaml", "$"),
    ],
)
def test_a_message_names_the_file_that_is_wrong(tmp_path: Path, top: str, drop_in: str, file: str, path: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path, top, a=drop_in)
    assert caught.value.subject == f"node configuration {tmp_path / file}"
    assert caught.value.path.startswith(path)


def test_a_note_names_the_file_too(tmp_path: Path) -> None:
    (note,) = load(tmp_path, "log: {}", a="featureGates: {SecondaryNetwork: true}").notes
    assert note.startswith(f"{tmp_path}/node.d/a.yaml: $.featureGates.SecondaryNetwork: ")


def test_folders_are_looked_into_in_the_order_of_their_names(tmp_path: Path) -> None:
    """As ConfigMaps are mounted: the files are links into a hidden folder."""
    for folder, tag in (("10-b", "b"), ("00-a", "a"), ("..data", "hidden"), ("90-c/deeper", "deeper")):
        (tmp_path / "node.d" / folder).mkdir(parents=True)
        (tmp_path / "node.d" / folder / "node.yaml").write_text(f"ownerTag: {tag}")
    data = tmp_path / "node.d/20-c/..2026"
    data.mkdir(parents=True)
    (data / "node.yaml").write_text("ownerTag: linked")
    (data.parent / "node.yaml").symlink_to("..2026/node.yaml")
    assert load_settings(tmp_path / "node.yaml", REGISTRY).owner_tag == "linked"


def test_the_file_may_be_missing_only_beside_drop_ins(tmp_path: Path) -> None:
    (tmp_path / "node.d").mkdir()
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load_settings(tmp_path / "node.yaml", REGISTRY)
    (tmp_path / "node.d/a.yaml").write_text("ownerTag: a")
    assert load_settings(tmp_path / "node.yaml", REGISTRY).owner_tag == "a"
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load_settings(tmp_path / "nodes.yaml", REGISTRY)


def test_a_drop_in_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "node.d/a.yaml").mkdir(parents=True)
    (tmp_path / "node.yaml").write_text("")
    with pytest.raises(InvalidConfig, match=r"node\.d/a\.yaml.*cannot be read"):
        load_settings(tmp_path / "node.yaml", REGISTRY)
