"""Whether ovs-vswitchd lives, asked of a real one that is killed, stopped and moved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.contract import Unavailable, Unsupported
from secnet.ovs import SwitchDaemon
from secnet_testing.netns import Namespace
from secnet_testing.ovs import OvsFactory, PrivateOvs

pytestmark = pytest.mark.ovs


@pytest.fixture
def switch(node_netns: Namespace, ovs: OvsFactory) -> PrivateOvs:
    return ovs(node_netns)


def test_one_that_lives_says_which_it_is(switch: PrivateOvs) -> None:
    assert SwitchDaemon(switch.target).version().startswith("ovs-vswitchd (Open vSwitch) ")


def test_its_socket_may_have_any_name(switch: PrivateOvs) -> None:
    (switch.folder / "ovs-vswitchd.ctl").rename(switch.folder / "a.ctl")
    assert SwitchDaemon(switch.target).version().startswith("ovs-vswitchd")
    (switch.folder / "a.ctl").rename(switch.folder / "ovs-vswitchd.ctl")


def test_one_that_was_killed_left_its_socket(switch: PrivateOvs) -> None:
    daemon = SwitchDaemon(switch.target)
    daemon.version()
    switch.kill_switch()
    assert (switch.folder / "ovs-vswitchd.ctl").exists()
    with pytest.raises(Unavailable, match="ovs-vswitchd: it does not answer: "):
        daemon.version()
    switch.start_switch()
    daemon.version()


def test_one_that_hangs_does_not_answer(switch: PrivateOvs) -> None:
    switch.pause_switch()
    try:
        with pytest.raises(Unavailable, match=r"does not answer within 0\.3 s"):
            SwitchDaemon(switch.target, timeout=0.3).version()
    finally:
        switch.resume_switch()


def test_one_that_ended_took_its_socket_along(switch: PrivateOvs) -> None:
    switch.stop_switch()
    with pytest.raises(Unavailable, match="no control socket of it is in "):
        SwitchDaemon(switch.target).version()


@pytest.fixture
def elsewhere(switch: PrivateOvs) -> Iterator[Path]:
    """A folder with the database's socket alone, as a container has it that mounts nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="sn-"))
    try:
        os.link(switch.folder / "db.sock", folder / "db.sock")
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("target", ["unix:{}/db.sock", "tcp:127.0.0.1:6640"])
def test_where_it_cannot_be_asked_nothing_is_claimed(elsewhere: Path, target: str) -> None:
    with pytest.raises(Unsupported, match="cannot be asked whether it lives"):
        SwitchDaemon(target.format(elsewhere)).version()


def test_one_that_was_seen_and_has_no_socket_any_more_is_gone(switch: PrivateOvs) -> None:
    daemon = SwitchDaemon(switch.target)
    daemon.version()
    switch.stop()
    for path in switch.folder.glob("*.ctl"):
        path.unlink()
    with pytest.raises(Unavailable):
        daemon.version()


def test_flows_are_those_of_the_user(switch: PrivateOvs) -> None:
    switch.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure")
    daemon = SwitchDaemon(switch.target)
    assert daemon.flows("br0") == ()
    switch.vsctl("set-fail-mode", "br0", "standalone")
    assert len(daemon.flows("br0")) == 1
    with pytest.raises(Unavailable, match="refuses bridge/dump-flows"):
        daemon.flows("br1")
