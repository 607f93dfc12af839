"""Network namespaces: which one a path means, and who may be entered."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from pathlib import Path

import pytest
from secnet.contract import Gone, InvalidConfig, MissingPrivilege, NetnsRef, NotReady
from secnet.linux.netns import alive, cookie, forbid_host, identify, in_netns, open_netns
from secnet.linux.rtnl import pod_rtnl
from secnet_testing.netns import Namespace, NetnsFactory, run_in

pytestmark = pytest.mark.kernel


def own_netns() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def test_a_namespace_is_identified_by_device_inode_and_cookie(netns_factory: NetnsFactory) -> None:
    ns = netns_factory()
    found = os.stat(ns.path)
    with ns.open() as fd:
        number = cookie(fd)
    assert identify(ns.path) == NetnsRef(path=ns.path, device=found.st_dev, inode=found.st_ino, cookie=number)


def test_the_path_of_a_process_is_a_namespace_too(netns_factory: NetnsFactory) -> None:
    ref = identify("/proc/self/ns/net")
    assert own_netns() == f"net:[{ref.inode}]"
    assert ref.inode != netns_factory().ref.inode


def test_a_missing_path_may_still_come(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="does not exist") as caught:
        identify(tmp_path / "web-0")
    assert caught.value.hint
    assert caught.value.subject == str(tmp_path / "web-0")


def test_a_process_that_ended_may_still_come() -> None:
    with pytest.raises(NotReady):
        identify("/proc/4194305/ns/net")


def test_an_empty_file_points_at_mount_propagation(tmp_path: Path) -> None:
    (tmp_path / "web-0").touch()
    with pytest.raises(NotReady, match="is not a namespace") as caught:
        identify(tmp_path / "web-0")
    assert "HostToContainer" in caught.value.hint


def test_a_fifo_and_a_folder_are_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it for reading would block until somebody writes
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(NotReady, match="is not a namespace"):
            identify(path)


def test_a_namespace_of_another_kind_is_refused_for_good() -> None:
    with pytest.raises(InvalidConfig, match="another kind"):
        identify("/proc/self/ns/uts")


def test_a_name_too_long_is_refused_for_good(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="ENAMETOOLONG"):
        identify(tmp_path / ("x" * 300))


def test_open_gives_a_descriptor_and_closes_it(netns_factory: NetnsFactory) -> None:
    ref = netns_factory().ref
    with open_netns(ref) as fd:
        assert os.fstat(fd).st_ino == ref.inode
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_removed_namespace_is_gone(netns_factory: NetnsFactory) -> None:
    ns = netns_factory()
    ref = ns.ref
    assert alive(ref)
    run_in(None, ["ip", "netns", "del", ns.name])
    assert not alive(ref)
    with pytest.raises(Gone, match="does not exist any more"), open_netns(ref):
        pass


def test_another_namespace_on_the_same_path_is_gone(netns_factory: NetnsFactory) -> None:
    old, new = netns_factory(), netns_factory()
    stale = NetnsRef(path=new.path, device=old.ref.device, inode=old.ref.inode)
    assert not alive(stale)
    for opened in (open_netns, pod_rtnl):
        with pytest.raises(Gone, match="another namespace"), opened(stale):
            pass


def test_a_cookie_is_never_used_twice(netns_factory: NetnsFactory) -> None:
    """Unlike the inode, which a namespace made right after the removal of another mostly gets again."""
    ns = netns_factory()
    with ns.open() as fd:
        old = cookie(fd)
        assert cookie(fd) == old > 0
    run_in(None, ["ip", "netns", "del", ns.name])
    run_in(None, ["ip", "netns", "add", ns.name])
    with ns.open() as fd:
        assert cookie(fd) != old


def test_a_namespace_made_again_under_name_and_inode_is_another(netns_factory: NetnsFactory) -> None:
    """What a crash leaves behind must not be taken for the Pod's new sandbox."""
    ns = netns_factory()
    old = ns.ref
    run_in(None, ["ip", "netns", "del", ns.name])
    run_in(None, ["ip", "netns", "add", ns.name])
    same_inode = dataclasses.replace(ns.ref, cookie=old.cookie)
    assert not alive(same_inode)
    with pytest.raises(Gone, match="another namespace"), open_netns(same_inode):
        pass
    with pytest.raises(Gone, match="another namespace"), pod_rtnl(same_inode):
        pass
    assert alive(dataclasses.replace(ns.ref, cookie=0)), "a kernel without cookies goes by the inode"


def test_the_agents_own_namespace_is_forbidden(node_netns: Namespace) -> None:
    with pytest.raises(InvalidConfig, match="the agent's own"):
        forbid_host(node_netns.ref)


def test_the_namespace_of_process_1_is_forbidden(netns_factory: NetnsFactory, tmp_path: Path) -> None:
    host, pod = netns_factory(), netns_factory()
    # A proc tree of our own, because a test cannot be process 1's neighbour.
    for process, target in (("self", "/proc/self/ns/net"), ("1", host.path)):
        (tmp_path / process / "ns").mkdir(parents=True)
        (tmp_path / process / "ns/net").symlink_to(target)
    with pytest.raises(InvalidConfig, match="the host's"):
        forbid_host(host.ref, proc_root=tmp_path)
    forbid_host(pod.ref, proc_root=tmp_path)
    (tmp_path / "1/ns/net").unlink()  # out of sight, as without hostPID
    forbid_host(pod.ref, proc_root=tmp_path)


def test_code_runs_inside_and_the_caller_stays(netns_factory: NetnsFactory) -> None:
    ns, home = netns_factory(), own_netns()
    threads = threading.active_count()
    with ns.open() as fd:
        assert in_netns(fd, own_netns) == f"net:[{ns.ref.inode}]"
    assert own_netns() == home
    assert threading.active_count() == threads


def test_an_exception_inside_comes_out_as_it_is(netns_factory: NetnsFactory) -> None:
    with netns_factory().open() as fd, pytest.raises(ZeroDivisionError):
        in_netns(fd, lambda: 1 // 0)


def test_a_descriptor_of_no_namespace_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(InvalidConfig, match="entering the network namespace"):
        in_netns(file.fileno(), own_netns)


def test_entering_without_privilege_says_so(netns_factory: NetnsFactory) -> None:
    """In a child process, because a thread that gave up its privileges would be the test's own."""
    code = (
        "import os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); os.setuid(65534)\n"
        "from secnet.contract import MissingPrivilege\n"
        "from secnet.linux.netns import in_netns\n"
        "try: in_netns(fd, int)\n"
        "except MissingPrivilege as error: print(error)\n"
    )
    printed = run_in(None, [sys.executable, "-c", code, netns_factory().path])
    assert printed.startswith(MissingPrivilege.__name__)
