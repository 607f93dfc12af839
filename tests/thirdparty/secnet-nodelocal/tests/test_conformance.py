"""The conformance kit over node-local, and what the kit cannot know of it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from secnet.contract import (
    ADDRESS_OF_ANOTHER,
    Busy,
    Call,
    Conflict,
    HostContext,
    IpamLease,
    IpamOwner,
    IpamRequest,
    NetworkRef,
    PodRef,
    SecnetError,
)
from secnet_conformance import BackendCase, BackendSuite, Bad, Breakage, Host, Stall
from secnet_nodelocal import NodeLocalBackend

V4 = {"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.10", "rangeEnd": "10.9.0.99", "gateway": "10.9.0.1"}
V6 = {"subnet": "2001:db8:9::/64", "gateway": "2001:db8:9::1"}


def folder_of(host: Host, subnet: str = "10.9.0.0_24") -> Path:
    return host.folder / "run" / "ipam-node-local" / subnet


def entry_of(host: Host, lease: IpamLease) -> Path:
    return folder_of(host) / lease.addresses[0].address.partition("/")[0]


def remove_entry(host: Host, lease: IpamLease) -> None:
    entry_of(host, lease).unlink()


def give_to_another(host: Host, lease: IpamLease) -> None:
    entry_of(host, lease).unlink()
    entry_of(host, lease).symlink_to(json.dumps({"container_id": "thief", "ifname": "eth1"}))


def replace_by_a_file(host: Host, lease: IpamLease) -> None:
    entry_of(host, lease).unlink()
    entry_of(host, lease).write_text("mine")


@contextmanager
def hold_the_lock(host: Host) -> Iterator[None]:
    folder_of(host).mkdir(parents=True, exist_ok=True)
    fd = os.open(folder_of(host), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


class TestNodeLocal(BackendSuite):
    class case(BackendCase):
        backend = NodeLocalBackend
        golden = Path(__file__).with_name("golden")
        good = (
            V4 | {"routes": [{"dst": "192.168.0.0/16"}, {"dst": "172.16.0.0/12", "gw": "10.9.0.254"}]},
            {"subnet": "10.9.1.0/24"},
            V6,
            {"subnet": "2001:db8:a::/120", "rangeEnd": "2001:db8:a::80", "routes": [{"dst": "::/0"}]},
        )
        small = ({"subnet": "10.9.2.0/29", "gateway": "10.9.2.1"}, 5)
        ips = ("10.9.0.77", "10.9.0.66/24")
        bad = (
            Bad({}, reason="InvalidConfig", match="subnet"),
            Bad({"subnet": "10.9.0.0/24", "range": "x"}, reason="InvalidConfig", match="unknown key"),
            Bad({"subnet": "here"}, reason="InvalidConfig", match="$.ipam.subnet"),
            Bad({"subnet": "fe80::%eth0/64"}, reason="InvalidConfig", match="names an interface"),
            Bad({"subnet": "224.1.0.0/16"}, reason="InvalidConfig", match="multicast"),
            Bad({"subnet": "ff02::/64"}, reason="InvalidConfig", match="multicast"),
            Bad({"subnet": "10.9.0.0"}, reason="InvalidConfig", match="prefix length"),
            Bad({"subnet": "10.9.0.7/24"}, reason="InvalidConfig", match="write 10.9.0.0/24"),
            Bad({"subnet": "10.9.0.0/31"}, reason="InvalidConfig", match="no address for Pods"),
            Bad({"subnet": "0.0.0.0/32"}, reason="InvalidConfig", match="no address for Pods"),
            Bad(V4 | {"rangeStart": "10.9.1.10"}, reason="InvalidConfig", match="$.ipam.rangeStart"),
            Bad(V4 | {"rangeStart": "10.9.0.0"}, reason="InvalidConfig", match="no host of the subnet"),
            Bad(V4 | {"rangeEnd": "10.9.0.255"}, reason="InvalidConfig", match="$.ipam.rangeEnd"),
            Bad(V4 | {"rangeEnd": "10.9.0.9"}, reason="InvalidConfig", match="ends before it starts"),
            Bad(V4 | {"rangeEnd": "2001:db8::1"}, reason="InvalidConfig", match="no host of the subnet"),
            Bad(V4 | {"gateway": "10.9.1.1"}, reason="InvalidConfig", match="$.ipam.gateway"),
            Bad(V4 | {"gateway": "x"}, reason="InvalidConfig", match="no address"),
            Bad(V6 | {"gateway": "2001:db8:9::1%eth0"}, reason="InvalidConfig", match="interface"),
            Bad({"subnet": "10.9.0.0/30", "rangeEnd": "10.9.0.1", "gateway": "10.9.0.1"}, reason="InvalidConfig"),
            Bad(V4 | {"routes": [{"dst": "10.0.0.1/8"}]}, reason="InvalidConfig", match="routes[0].dst"),
            Bad(V4 | {"routes": [{"dst": "::/0"}]}, reason="InvalidConfig", match="family"),
            Bad(
                V4 | {"routes": [{"dst": "10.0.0.0/8", "gw": "10.8.0.1"}]}, reason="InvalidConfig", match="routes[0].gw"
            ),
            Bad(V4, reason="InvalidConfig", request={"ips": ("10.9.0.1",)}, match="not the gateway"),
            Bad(V4, reason="InvalidConfig", request={"ips": ("10.9.0.100",)}),
            Bad(V4, reason="InvalidConfig", request={"ips": ("10.9.0.11/16",)}, match="write /24"),
            Bad(V4, reason="InvalidConfig", request={"ips": ("10.9.0.11", "10.9.0.11/24")}, match="twice"),
        )
        breakages = (
            Breakage("entry removed", remove_entry, code="LeaseMissing"),
            Breakage("entry of another", give_to_another, code=ADDRESS_OF_ANOTHER),
            Breakage("a file in its place", replace_by_a_file, code=ADDRESS_OF_ANOTHER),
        )
        stalls = (Stall("another process holds the lock", hold_the_lock),)

        def snapshot(self, host: Host) -> Mapping[str, Any]:
            root = host.folder / "run"
            return {str(path): os.readlink(path) if path.is_symlink() else "" for path in root.glob("*/*/*")}

        def inside(self, host: Host, lease: IpamLease) -> None:
            (item,) = lease.addresses
            assert (item.address, item.gateway, item.pool) == ("10.9.0.10/24", "10.9.0.1", "10.9.0.0/24")
            assert [(route.dst, route.gw) for route in lease.routes] == [
                ("192.168.0.0/16", None),
                ("172.16.0.0/12", "10.9.0.254"),
            ]


@pytest.fixture
def backend(tmp_path: Path) -> NodeLocalBackend:
    return NodeLocalBackend(HostContext(node_name="node1", run_dir=tmp_path))


def request(container: str, config: Mapping[str, Any], pod: str = "", **fields: Any) -> IpamRequest:
    ref = PodRef(namespace="default", name=pod or container, uid="", node="node1")
    owner = IpamOwner(container_id=container, ifname="eth1", pod=ref)
    return IpamRequest(owner=owner, network=NetworkRef(namespace="default", name="net"), config=config, **fields)


def texts(lease: IpamLease) -> list[str]:
    return [item.address for item in lease.addresses]


def test_the_gateway_is_skipped(backend: NodeLocalBackend) -> None:
    assert texts(backend.allocate(request("a", V6), Call())) == ["2001:db8:9::2/64"]
    config = {"subnet": "10.9.0.0/24", "gateway": "10.9.0.2"}
    given = [texts(backend.allocate(request(name, config), Call()))[0] for name in ("a", "b")]
    assert given == ["10.9.0.1/24", "10.9.0.3/24"]


def test_what_someone_put_there_is_never_given_nor_touched(backend: NodeLocalBackend) -> None:
    first = backend.allocate(request("a", V4), Call())
    folder = backend.host.run_dir / "ipam-node-local" / "10.9.0.0_24"
    (folder / "10.9.0.11").write_text("")
    (folder / "10.9.0.12").symlink_to("elsewhere")
    (folder / "notes").write_text("what is no address counts for nothing")
    assert texts(backend.allocate(request("b", V4), Call())) == ["10.9.0.13/24"]
    assert len(backend.inventory(Call())) == 2
    for name in ("a", "b"):
        backend.release(request(name, V4), Call())
    assert sorted(path.name for path in folder.iterdir()) == ["10.9.0.11", "10.9.0.12", "notes"]
    assert not backend.check(first, V4, Call()).clean


def test_an_owner_outside_of_an_edited_range_moves(backend: NodeLocalBackend) -> None:
    assert texts(backend.allocate(request("a", V4), Call())) == ["10.9.0.10/24"]
    assert texts(backend.allocate(request("a", V4 | {"rangeStart": "10.9.0.20"}), Call())) == ["10.9.0.20/24"]
    (lease,) = backend.inventory(Call())
    assert texts(lease) == ["10.9.0.20/24"]


def test_release_finds_the_owner_in_any_subnet(backend: NodeLocalBackend) -> None:
    for config in (V4, V6):
        backend.allocate(request("a", config), Call())
    backend.release(request("a", {"subnet": "10.77.0.0/24"}), Call())
    assert backend.inventory(Call()) == ()


class FailAfterSecondStep:
    """Fails once what two steps have changed."""

    begun = 0

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        self.begun += 1

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        if self.begun == 2:
            raise OSError("injected")


def test_a_failure_halfway_takes_back_what_was_written(backend: NodeLocalBackend) -> None:
    backend.allocate(request("before", V4), Call())
    with pytest.raises(OSError, match="injected"):
        backend.allocate(
            request("a", V4, ips=("10.9.0.50", "10.9.0.51")), Call.within(30, observers=(FailAfterSecondStep(),))
        )
    assert [lease.owner.container_id for lease in backend.inventory(Call())] == ["before"]


def test_an_earlier_sandbox_of_the_pod_is_waited_for(backend: NodeLocalBackend) -> None:
    backend.allocate(request("old", V4, pod="web", ips=("10.9.0.50",)), Call())
    with pytest.raises(Busy, match="earlier sandbox"):
        backend.allocate(request("new", V4, pod="web", ips=("10.9.0.50",)), Call())


def test_it_is_not_ready_without_a_run_directory(tmp_path: Path) -> None:
    report = NodeLocalBackend(HostContext(node_name="node1", run_dir=tmp_path / "none")).probe()
    assert not report.ready
    assert "none" in report.message


def test_a_subnet_that_overlaps_one_in_use_is_refused(backend: NodeLocalBackend) -> None:
    wide, narrow = {"subnet": "2001:db8::/64"}, {"subnet": "2001:db8::/120"}
    backend.allocate(request("a", wide), Call())
    with pytest.raises(Conflict, match="2001:db8::/120 overlaps 2001:db8::/64"):
        backend.allocate(request("b", narrow), Call())
    backend.release(request("a", wide), Call())
    backend.allocate(request("b", narrow), Call())


def test_a_link_that_nests_too_deep_is_foreign(backend: NodeLocalBackend) -> None:
    backend.allocate(request("a", V4), Call())
    (backend.host.run_dir / "ipam-node-local" / "10.9.0.0_24" / "10.9.0.11").symlink_to("[" * 2000)
    assert texts(backend.allocate(request("b", V4), Call())) == ["10.9.0.12/24"]


def test_a_lease_that_cannot_be_read_is_not_released(
    backend: NodeLocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.allocate(request("a", V4), Call())

    def fail(path: Path) -> str:  # a disk that fails cannot be had
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "readlink", fail)
        with pytest.raises(SecnetError, match="Input/output error"):
            backend.release(request("a", V4), Call())
    assert len(backend.inventory(Call())) == 1
