"""The cases of all sample plugins. The kit's own tests run this file in a pytest of its own."""

from __future__ import annotations

import fcntl
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from secnet.contract import Attachment, DeviceRef, IpamLease
from secnet_conformance import (
    BackendCase,
    BackendSuite,
    Bad,
    Breakage,
    DriverCase,
    DriverSuite,
    Host,
    Stall,
)
from secnet_samples import wrong_backends, wrong_drivers, wrong_neighbours, wrong_pieces
from secnet_samples.leases import ListBackend
from secnet_samples.pair import FREE, LOCK, PairDriver

_SLOTS = 10


@contextmanager
def hold_lock(host: Host) -> Iterator[None]:
    """Somebody else makes a pair, and takes his time."""
    with (host.folder / "run" / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


STALLS = (Stall("somebody holds the lock", hold_lock),)


def host_end_down(host: Host, attachment: Attachment) -> None:
    host.run(f"ip link set {attachment.names['host']} down")


class PairCase(DriverCase):
    """What all drivers here have in common."""

    good = ({},)
    bad = (
        Bad({"colour": "RED"}, reason="InvalidConfig"),
        Bad({}, reason="InvalidConfig", request={"mtu": 9216}, match="9000 at most"),
    )
    breakages = (Breakage("host end down", host_end_down, code="LinkMissing"),)

    def prepare(self, host: Host) -> None:
        self.numbers = itertools.count()
        for number in range(_SLOTS):
            host.run(f"ip link add slot{number} type bridge")
            host.run(f"ip link set slot{number} alias {FREE}")

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        return [DeviceRef(id=f"slot{next(self.numbers) % _SLOTS}") for _ in range(count)]


def lose_entry(host: Host, lease: IpamLease) -> None:
    pool = host.objects.get("IPPool", "blue")
    host.objects.update_status({**pool, "status": {"ipAddresses": []}})


class ListCase(BackendCase):
    """What all backends here have in common."""

    good = ({"pool": "blue"},)
    bad = (
        Bad({}, reason="InvalidConfig"),
        Bad({"pool": "default"}, reason="InvalidConfig", match="another name"),
        Bad({"pool": "none"}, reason="ObjectNotFound"),
        Bad({"pool": "blue"}, reason="Conflict", request={"ips": ("10.9.0.77",)}, match="not in the pool"),
    )
    objects = (
        {
            "apiVersion": "crd.antrea.io/v1beta1",
            "kind": "IPPool",
            "metadata": {"name": "blue"},
            "spec": {"ipRanges": [{"cidr": "10.8.0.0/24"}], "subnetInfo": {"gateway": "10.8.0.1", "prefixLength": 24}},
        },
    )
    small = ({"pool": "blue", "size": 5}, 5)
    ips: Sequence[str] = ("10.8.0.77", "10.8.0.66")
    breakages = (Breakage("entry lost", lose_entry, code="LeaseMissing"),)


class TestPair(DriverSuite):
    """The right driver."""

    class case(PairCase):
        driver = PairDriver
        good = ({}, {"colour": "red"})
        stalls = STALLS


class TestList(BackendSuite):
    """The right backend."""

    class case(ListCase):
        backend = ListBackend
        good = ({"pool": "blue"}, {"pool": "blue", "size": 50})


class TestSleeps(DriverSuite):
    """The one wrong driver that a stalled dependency shows."""

    class case(PairCase):
        driver = wrong_drivers.Sleeps
        stalls = STALLS


class TestSecondOptionLeaks(DriverSuite):
    """The one wrong driver whose fault shows with its second options."""

    class case(PairCase):
        driver = wrong_neighbours.SecondOptionLeaks
        good = ({}, {"colour": "red"})


def _suites(module: Any, base: type, suite: type, key: str) -> Mapping[str, type]:
    """A suite for each wrong plugin of a module, over the same case as the right one."""
    made = {}
    for name in module.__all__:
        if f"Test{name}" in globals():
            continue
        case = type(f"{name}Case", (base,), {key: getattr(module, name)})
        made[f"Test{name}"] = type(f"Test{name}", (suite,), {"case": case, "__module__": __name__})
    return made


globals().update(_suites(wrong_drivers, PairCase, DriverSuite, "driver"))
globals().update(_suites(wrong_pieces, PairCase, DriverSuite, "driver"))
globals().update(_suites(wrong_neighbours, PairCase, DriverSuite, "driver"))
globals().update(_suites(wrong_backends, ListCase, BackendSuite, "backend"))
