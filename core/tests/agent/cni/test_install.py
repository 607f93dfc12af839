"""The plugin in the runtime's directories: the right file, the right entry, and everything of others left as it was."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cni import install
from secnet.agent.cni.install import CniInstallation, multus_present
from secnet.contract import Conflict, NotReady, Unavailable, Unsupported

ENTRY = {"type": "secnet-cni", "failOpenNamespaces": ["kube-system", "secnet-system"]}
BRIDGE = {"type": "bridge", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}]]}}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def network(*plugins: Any, **changes: Any) -> dict[str, Any]:
    found = {"cniVersion": "1.0.0", "name": "cluster", "plugins": list(plugins)} | changes
    return {key: value for key, value in found.items() if value is not None}


class Node:
    """The directories of one node."""

    def __init__(self, directory: Path) -> None:
        self.conf, self.bin, self.program = directory / "net.d", directory / "bin", directory / "built"
        self.conf.mkdir()
        self.program.write_bytes(b"\x7fELF one")
        self.installation = self.make()

    def make(self, **changes: Any) -> CniInstallation:
        arguments: dict[str, Any] = {
            "program": self.program,
            "bin_dir": self.bin,
            "conf_dir": self.conf,
            "socket": Path("/run/secnet/cni.sock"),
            "fail_open_namespaces": {"secnet-system", "kube-system"},
        }
        return CniInstallation(**(arguments | changes))

    def write(self, name: str, content: Any) -> Path:
        path = self.conf / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def read(self, name: str) -> Any:
        return json.loads((self.conf / name).read_text())

    def picture(self) -> dict[str, tuple[str, int, int]]:
        """Content, inode and time of every file: what was written anew differs."""
        return {
            str(path): (path.read_text(errors="replace"), path.stat().st_ino, path.stat().st_mtime_ns)
            for folder in (self.conf, self.bin)
            for path in sorted(folder.iterdir())
            if path.name != "secnet-cni.sock"
        }


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


# --- The program ------------------------------------------------------------------------------------------------------


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


# --- The entry --------------------------------------------------------------------------------------------------------


def test_the_entry_is_appended_to_the_first_network_once(node: Node) -> None:
    node.write("20-other.conflist", network(BRIDGE, name="other"))
    node.write("10-net.conflist", network(BRIDGE, PORTMAP, disableCheck=True))
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, PORTMAP, ENTRY, disableCheck=True)
    assert node.read("20-other.conflist") == network(BRIDGE, name="other")
    before = node.picture()
    node.installation.ensure()
    assert node.picture() == before


def test_a_network_that_its_owner_rewrote_gets_the_entry_again(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    assert node.installation.ensure() == node.conf / "10-net.conflist"
    assert node.installation.ensure() is None
    node.write("10-net.conflist", network(BRIDGE, mtu=9000))
    assert node.installation.ensure() == node.conf / "10-net.conflist"
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY, mtu=9000)


def test_an_old_entry_is_repaired_where_it_stands(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE, {"type": "secnet-cni"}, PORTMAP, {"type": "secnet-cni", "x": 1}))
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY, PORTMAP)


def test_a_new_first_network_takes_the_entry_over(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    node.write("05-first.conflist", network(PORTMAP))
    node.installation.ensure()
    assert node.read("05-first.conflist") == network(PORTMAP, ENTRY)
    assert node.read("10-net.conflist") == network(BRIDGE)


def test_mode_and_owner_stay_and_nothing_lies_about(node: Node) -> None:
    path = node.write("10-net.conflist", network(BRIDGE))
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    node.installation.ensure()
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o600, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "written in place: a reader could meet half of it"
    assert os.listdir(node.conf) == ["10-net.conflist"]


@pytest.mark.parametrize("content", ["[]", '"x"', '{"plugins": 5}', '{"plugins": []}', '{"plugins": ["x"]}'])
def test_a_file_that_is_no_network_is_passed_over(node: Node, content: str) -> None:
    node.write("00-broken.conflist", content)
    node.write("05-net.txt", network(PORTMAP))
    node.write("10-net.conflist", network(BRIDGE))
    node.installation.ensure()
    assert (node.conf / "00-broken.conflist").read_text() == content
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY)


@pytest.mark.parametrize("content", ["", "{", '{"cniVersion": "1.0.0", "plugins": [', "\ufeff"])
def test_a_first_file_that_is_half_written_is_waited_for(node: Node, content: str) -> None:
    """The entry would else go for a moment into a network that does not count, and out again."""
    node.write("00-new.conflist", content)
    node.write("10-net.conflist", network(BRIDGE))
    with pytest.raises(NotReady, match="cannot be read"):
        node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE)
    node.write("00-new.conflist", network(PORTMAP))
    node.installation.ensure()
    assert node.read("00-new.conflist") == network(PORTMAP, ENTRY)
    assert node.read("10-net.conflist") == network(BRIDGE)


def test_a_later_file_that_cannot_be_read_keeps_nothing_from_being_done(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    node.write("20-broken.conflist", "{")
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY)


def test_before_there_is_a_network_it_waits(node: Node) -> None:
    with pytest.raises(NotReady, match="no CNI network"):
        node.installation.ensure()
    node.conf.rmdir()
    with pytest.raises(NotReady):
        node.installation.ensure()


@pytest.mark.parametrize(
    "versions",
    [
        {"cniVersion": "0.2.0"},
        {"cniVersion": None},
        {"cniVersion": "1.1.0", "cniVersions": ["1.1.0", "1.9.0"]},
        {"cniVersion": None, "cniVersions": ["0.2.0", "1.0.0"]},
    ],
)
def test_a_network_of_another_version_is_left_alone(node: Node, versions: dict[str, Any]) -> None:
    """Our plugin would refuse each of its calls, and no Pod of the node would start."""
    node.write("10-net.conflist", network(BRIDGE, **versions))
    with pytest.raises(Unsupported, match="CNI version"):
        node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, **versions)


@pytest.mark.parametrize(
    "versions",
    [{"cniVersions": ["1.0.0", "1.1.0"]}, {"cniVersion": None, "cniVersions": ["1.1.0"]}, {"cniVersion": "0.3.0"}],
)
def test_a_list_of_versions_that_we_speak_is_taken(node: Node, versions: dict[str, Any]) -> None:
    node.write("10-net.conflist", network(BRIDGE, **versions))
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY, **versions)


# --- A network that is a single plugin --------------------------------------------------------------------------------

SINGLE = {"cniVersion": "0.4.0", "name": "cluster", **BRIDGE}
WRAPPED = {
    "cniVersion": "0.4.0",
    "name": "cluster",
    "secnet.io/made-from": "10-net.conf",
    "plugins": [BRIDGE, ENTRY],
}


@pytest.mark.parametrize("suffix", ["conf", "json"])
def test_a_single_plugin_gets_a_list_that_comes_before_it(node: Node, suffix: str) -> None:
    node.write(f"10-net.{suffix}", SINGLE)
    node.installation.ensure()
    assert sorted(os.listdir(node.conf))[0] == "10-net-secnet.conflist"
    assert node.read("10-net-secnet.conflist") == WRAPPED | {"secnet.io/made-from": f"10-net.{suffix}"}
    assert node.read(f"10-net.{suffix}") == SINGLE
    before = node.picture()
    node.installation.ensure()
    assert node.picture() == before
    node.installation.remove()
    assert os.listdir(node.conf) == [f"10-net.{suffix}"]


def test_the_list_follows_the_plugin_it_was_made_from_and_keeps_what_others_added(node: Node) -> None:
    node.write("10-net.conf", SINGLE)
    node.installation.ensure()
    node.write("10-net-secnet.conflist", WRAPPED | {"plugins": [BRIDGE, ENTRY, PORTMAP]})
    node.write("10-net.conf", SINGLE | {"mtu": 9000, "cniVersion": "1.0.0"})
    node.installation.ensure()
    made = {"cniVersion": "1.0.0", "plugins": [BRIDGE | {"mtu": 9000}, ENTRY, PORTMAP]}
    assert node.read("10-net-secnet.conflist") == WRAPPED | made


def test_the_list_goes_with_the_plugin_it_was_made_from(node: Node) -> None:
    source = node.write("10-net.conf", SINGLE)
    node.installation.ensure()
    source.unlink()
    node.write("20-net.conflist", network(PORTMAP))
    node.installation.ensure()
    assert os.listdir(node.conf) == ["20-net.conflist"]
    assert node.read("20-net.conflist") == network(PORTMAP, ENTRY)


def test_the_list_goes_when_another_network_comes_first(node: Node) -> None:
    node.write("10-net.conf", SINGLE)
    node.installation.ensure()
    node.write("05-net.conflist", network(PORTMAP))
    node.installation.ensure()
    assert sorted(os.listdir(node.conf)) == ["05-net.conflist", "10-net.conf"]


def test_a_network_of_another_owner_is_never_deleted_whatever_its_name(node: Node) -> None:
    node.write("10-secnet.conflist", network(BRIDGE))
    node.write("20-secnet.conflist", network(PORTMAP, {"type": "secnet-cni"}))
    node.write("30-secnet.conflist", "{")
    node.installation.ensure()
    assert node.read("10-secnet.conflist") == network(BRIDGE, ENTRY)
    node.installation.remove()
    assert node.read("10-secnet.conflist") == network(BRIDGE)
    assert node.read("20-secnet.conflist") == network(PORTMAP)
    assert (node.conf / "30-secnet.conflist").read_text() == "{"


def test_a_copy_of_our_list_under_another_name_is_its_owners(node: Node) -> None:
    node.write("10-net.conf", SINGLE)
    node.write("50-copy.conflist", WRAPPED)
    node.installation.ensure()
    node.installation.remove()
    assert sorted(os.listdir(node.conf)) == ["10-net.conf", "50-copy.conflist"]
    assert node.read("50-copy.conflist") == WRAPPED | {"plugins": [BRIDGE]}


def test_a_foreign_file_in_the_place_of_our_list_is_left_alone(node: Node) -> None:
    node.write("10-net.conf", SINGLE)
    path = node.write("10-net-secnet.conflist", {"plugins": [], "secnet.io/made-from": 5})
    before = path.read_text()
    with pytest.raises(Conflict, match="not ours"):
        node.installation.ensure()
    assert path.read_text() == before


# --- Removal ----------------------------------------------------------------------------------------------------------


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


# --- Multus -----------------------------------------------------------------------------------------------------------


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


# --- Nothing new ------------------------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("what", ["in place", "anew", "first", "program", "gone", "entry", "target", "multus"])
def test_whatever_changed_is_seen(settled: Node, monkeypatch: pytest.MonkeyPatch, what: str, seconds: int) -> None:
    monkeypatch.setattr(install, "_UNSURE_SECONDS", seconds)
    settled.installation.ensure()
    path = settled.conf / "10-net.conflist"
    if what == "in place":
        path.write_text(json.dumps(network(BRIDGE)))
    elif what == "anew":
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
