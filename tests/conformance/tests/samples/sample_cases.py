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
    Foreign,
    Host,
    Stall,
)
from secnet_samples import (
    wrong_backends,
    wrong_drivers,
    wrong_ends,
    wrong_neighbours,
    wrong_pieces,
    wrong_sections,
    wrong_sights,
)
from secnet_samples.leases import ListBackend
from secnet_samples.pair import LOCK, PairDriver

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


def write_note(host: Host, attachment: Attachment) -> None:
    (host.folder / "run" / f"note-{attachment.names['host']}").write_text("theirs")


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
            host.run(f"ip link set slot{number} alias free-{number}")  # another one each: none can be guessed

    def devices(self, host: Host, count: int) -> Sequence[DeviceRef]:
        return [DeviceRef(id=f"slot{next(self.numbers) % _SLOTS}") for _ in range(count)]

    def lose_device(self, host: Host, device: DeviceRef) -> None:
        host.run(f"ip link del {device.id}")


class SectionCase(PairCase):
    """For drivers with a section of the node configuration."""

    node: Mapping[str, Any] = {"bridge": "pair-br0"}
    other_node: Mapping[str, Any] = {"bridge": "pair-br1"}


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
    """Shown by a stalled dependency."""

    class case(PairCase):
        driver = wrong_drivers.Sleeps
        stalls = STALLS


class TestDetachSwallows(DriverSuite):
    """Shown by a stalled dependency, and by a call that ended."""

    class case(PairCase):
        driver = wrong_ends.DetachSwallows
        stalls = STALLS


class TestLooksHang(DriverSuite):
    """Shown by a stalled dependency."""

    class case(PairCase):
        driver = wrong_sights.LooksHang
        stalls = STALLS


class TestTakesForeignNote(DriverSuite):
    """Shown by a file of somebody else; the notes belong to the picture."""

    class case(PairCase):
        driver = wrong_sights.TakesForeignNote
        foreign = (Foreign("note", write_note),)

        def snapshot(self, host: Host) -> Mapping[str, Any]:
            return {path.name: path.read_text() for path in (host.folder / "run").glob("note-*")}


class TestExpectsAnotherRefusal(DriverSuite):
    """A right driver, and a case that waits for words that no refusal of its schema has."""

    class case(PairCase):
        driver = PairDriver
        bad = (Bad({"colour": "RED"}, reason="InvalidConfig", match="too loud"),)


class TestSecondOptionSameStep(DriverSuite):
    """Its fault shows with its second options, whose steps have no name of their own."""

    class case(PairCase):
        driver = wrong_ends.SecondOptionSameStep
        good = ({}, {"colour": "red"})


class TestSecondOptionLeaks(DriverSuite):
    """Its fault shows with its second options, whose steps have names of their own."""

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
globals().update(_suites(wrong_ends, PairCase, DriverSuite, "driver"))
globals().update(_suites(wrong_sights, PairCase, DriverSuite, "driver"))
globals().update(_suites(wrong_sections, SectionCase, DriverSuite, "driver"))
globals().update(_suites(wrong_backends, ListCase, BackendSuite, "backend"))
