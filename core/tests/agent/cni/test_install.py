"""The plugin in the runtime's directories: the right file, the right entry, and everything of others left as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cni import install
from secnet.agent.cni.install import multus_present
from secnet.contract import Conflict, Unavailable

from .node_directories import BRIDGE, ENTRY, PORTMAP, Node, network


def test_the_program_is_there_under_both_names_with_the_way_to_the_socket(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    for name in ("secnet-cni", "secnet"):
        assert (node.bin / name).read_bytes() == b"\x7fELF one"
        assert os.access(node.bin / name, os.X_OK)
    assert os.readlink(node.bin / "secnet-cni.sock") == "/run/secnet/cni.sock"
    assert sorted(os.listdir(node.bin)) == ["secnet", "secnet-cni", "secnet-cni.sock"]


def test_a_new_program_replaces_the_old_one_while_that_runs(node: Node) -> None:
    """By another inode: a file that is being executed cannot be written."""
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    before = (node.bin / "secnet-cni").stat().st_ino
    node.program.write_bytes(b"\x7fELF two")
    with open(node.bin / "secnet-cni", "rb") as held:
        node.installation.ensure()
        assert held.read() == b"\x7fELF one"
    assert (node.bin / "secnet-cni").read_bytes() == b"\x7fELF two"
    assert (node.bin / "secnet-cni").stat().st_ino != before


@pytest.mark.parametrize("lost", [("secnet-cni",), ("secnet",), ("secnet-cni.sock",), ("secnet-cni", "secnet")])
@pytest.mark.parametrize("by", ["ensure", "ensure_program"])
def test_what_a_node_image_lost_is_put_back(
    node: Node, lost: tuple[str, ...], by: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    assert caplog.records == [], "nothing was lost at the first installation"
    names = sorted(os.listdir(node.bin))
    for name in lost:
        (node.bin / name).unlink()
    getattr(node.make(), by)()
    assert sorted(os.listdir(node.bin)) == names
    assert (node.bin / "secnet").read_bytes() == b"\x7fELF one"
    reported = [str(path) in record.getMessage() for record in caplog.records]
    assert reported == ([True] if "secnet-cni" in lost else []), "without that file no Pod could start"


def test_the_program_alone_is_installed_before_the_agent_is_ready(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure_program()
    assert (node.bin / "secnet-cni").read_bytes() == b"\x7fELF one"
    assert node.read("10-net.conflist") == network(BRIDGE)
    node.make(program=None).ensure_program()


def test_an_entry_of_an_earlier_version_is_brought_up_to_date_where_it_stands(node: Node) -> None:
    old = {"type": "secnet-cni", "failOpenNamespaces": ["kube-system"]}
    node.write("10-net.conflist", network(BRIDGE, old, PORTMAP))
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY, PORTMAP)
    before = node.picture()
    node.make().ensure()
    assert node.picture() == before


def test_another_socket_is_followed(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    node.make(socket=Path("/run/other.sock")).ensure()
    assert os.readlink(node.bin / "secnet-cni.sock") == "/run/other.sock"


def test_a_foreign_program_of_our_name_is_left_alone(node: Node) -> None:
    node.bin.mkdir()
    (node.bin / "secnet").write_text("foreign")
    node.write("10-net.conflist", network(BRIDGE))
    with pytest.raises(Conflict, match="not ours"):
        node.installation.ensure()
    assert (node.bin / "secnet").read_text() == "foreign"
    assert node.read("10-net.conflist") == network(BRIDGE)


def test_there_is_no_entry_without_a_program(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    with pytest.raises(Unavailable, match="not there"):
        node.make(program=None).ensure()
    assert node.read("10-net.conflist") == network(BRIDGE)


def test_without_a_directory_of_networks_only_the_program_is_installed(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.make(conf_dir=None).ensure()
    node.make(conf_dir=None).remove()
    assert (node.bin / "secnet-cni").exists()
    assert node.read("10-net.conflist") == network(BRIDGE)


def test_removal_takes_our_entry_out_of_what_is_there_then(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    node.write("10-net.conflist", network(BRIDGE, ENTRY, PORTMAP, mtu=9000))
    node.installation.remove()
    assert node.read("10-net.conflist") == network(BRIDGE, PORTMAP, mtu=9000)
    before = node.picture()
    node.installation.remove()
    assert node.picture() == before


def test_removal_leaves_the_program_for_the_sandboxes_that_are_still_there(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    node.installation.remove()
    assert (node.bin / "secnet-cni").exists()


def test_removal_from_a_directory_that_is_gone(node: Node) -> None:
    node.conf.rmdir()
    node.installation.remove()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("00-multus.conf", {"cniVersion": "1.0.0", "name": "m", "type": "multus-shim"}),
        ("00-multus.conflist", network({"type": "multus"})),
        ("99-multus.conflist", network(PORTMAP, {"type": "multus-shim"})),
    ],
)
def test_where_multus_is_there_is_no_entry(node: Node, name: str, content: Any) -> None:
    """It calls the plugin for each network itself; also when it comes after us."""
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    assert not multus_present(node.conf)
    node.write(name, content)
    assert multus_present(node.conf)
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE)
    assert node.read(name) == content
    assert (node.bin / "secnet").exists()


def test_there_is_no_entry_while_multus_is_away_for_a_moment(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    away = node.make(multus=lambda: True)
    assert away.ensure() is None
    assert node.read("10-net.conflist") == network(BRIDGE)


def test_multus_is_not_where_there_is_nothing(node: Node) -> None:
    node.write("00-broken.conf", "{")
    assert not multus_present(node.conf)
    assert not multus_present(node.conf / "none")


@pytest.fixture
def settled(node: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    """All is installed, and long enough ago for the times of the files to tell."""
    monkeypatch.setattr(install, "_UNSURE_SECONDS", -3600)
    node.write("10-net.conflist", network(BRIDGE))
    for _ in range(3):
        node.installation.ensure()
    return node


def test_files_that_no_one_changed_are_not_read_again(settled: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(settled.installation, "_ensure", fail)
    assert settled.installation.ensure() is None


@pytest.mark.parametrize("seconds", [-3600, 3600], ids=["long ago", "just now"])
@pytest.mark.parametrize("what", ["in place", "again", "first", "program", "gone", "entry", "target", "multus"])
def test_whatever_changed_is_seen(settled: Node, monkeypatch: pytest.MonkeyPatch, what: str, seconds: int) -> None:
    monkeypatch.setattr(install, "_UNSURE_SECONDS", seconds)
    settled.installation.ensure()
    path = settled.conf / "10-net.conflist"
    if what == "in place":
        path.write_text(json.dumps(network(BRIDGE)))
    elif what == "again":
        settled.write("new", network(BRIDGE)).rename(path)
    elif what == "first":
        settled.write("05-net.conflist", network(PORTMAP))
    elif what == "program":
        settled.program.write_bytes(b"\x7fELF two")
    elif what == "gone":
        (settled.bin / "secnet-cni").unlink()
    elif what == "entry":
        (settled.bin / "secnet-cni.sock").unlink()
    elif what == "target":
        (settled.bin / "secnet-cni").rename(settled.bin / "elsewhere")
        (settled.bin / "secnet-cni").symlink_to("elsewhere")
        settled.installation.ensure()
        (settled.bin / "elsewhere").write_bytes(b"broken")
    else:
        settled.write("00-multus.conf", {"cniVersion": "1.0.0", "name": "m", "type": "multus"})
    settled.installation.ensure()
    assert (settled.bin / "secnet-cni").read_bytes() == settled.program.read_bytes()
    assert (settled.bin / "secnet-cni.sock").is_symlink()
    first = settled.read(sorted(item.name for item in settled.conf.iterdir() if item.suffix == ".conflist")[0])
    assert (ENTRY in first["plugins"]) == (what != "multus")


@pytest.mark.parametrize("target", ["broken", "loop", "05-file/x"])
def test_a_broken_link_among_the_networks_keeps_nothing_from_being_done(node: Node, target: str) -> None:
    (node.conf / "05-file").write_text("no directory")
    (node.conf / "loop").symlink_to(target)
    node.write("10-net.conflist", network(BRIDGE))
    for _ in range(2):
        node.installation.ensure()
    assert node.read("10-net.conflist")["plugins"] == [BRIDGE, ENTRY]
