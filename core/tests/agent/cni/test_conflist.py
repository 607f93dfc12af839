"""The entry in the runtime's network, and the list that is made from a single plugin."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest
from secnet.agent.cni._conflist import Chained
from secnet.contract import Busy, Conflict, NotReady, Unsupported

from .node_directories import BRIDGE, ENTRY, PORTMAP, SINGLE, WRAPPED, Node, network


def test_the_entry_is_appended_to_the_first_network_once(node: Node) -> None:
    node.write("20-other.conflist", network(BRIDGE, name="other"))
    node.write("10-net.conflist", network(BRIDGE, PORTMAP, disableCheck=True))
    node.installation.ensure()
    assert node.read("10-net.conflist") == network(BRIDGE, PORTMAP, ENTRY, disableCheck=True)
    assert node.read("20-other.conflist") == network(BRIDGE, name="other")
    before = node.picture()
    node.installation.ensure()
    assert node.picture() == before


def test_a_network_that_its_owner_wrote_again_gets_the_entry_again(node: Node) -> None:
    node.write("10-net.conflist", network(BRIDGE))
    written = Chained(path=node.conf / "10-net.conflist", types=("bridge",))
    assert node.installation.ensure() == written
    assert node.installation.ensure() is None
    node.write("10-net.conflist", network(BRIDGE, mtu=9000))
    assert node.installation.ensure() == written
    assert node.read("10-net.conflist") == network(BRIDGE, ENTRY, mtu=9000)


def test_an_entry_that_may_not_be_written_yet_is_left_out_and_the_owner_named(node: Node) -> None:
    file = node.write("10-net.conflist", network({"type": "cilium-cni"}))
    before = file.read_text()
    with pytest.raises(Busy, match="takes the plugin out as soon as it is in") as caught:
        node.installation.ensure(lambda: 7.0)
    assert "cni.exclusive: false" in caught.value.hint
    assert caught.value.subject == str(file)
    assert file.read_text() == before
    node.installation.ensure()
    assert node.installation.ensure(lambda: 7.0) is None, "it stands, and there is nothing to wait for"


def test_an_old_entry_is_repaired_in_place(node: Node) -> None:
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
