"""More cases of sample backends: each module of wrong ones over the case of the right one. Run as `sample_cases` is."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from sample_cases import ListCase
from secnet.contract import IpamLease
from secnet_conformance import BackendSuite, Host, Stall
from secnet_conformance.backend.sharing import Exhaustion, Unique
from secnet_samples import locked, wrong_looks, wrong_races, wrong_records, wrong_releases
from secnet_samples.leases import GATEWAY


@contextmanager
def hold_lock(host: Host) -> Iterator[None]:
    """Somebody else has the lock."""
    with (host.folder / "run" / locked.LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class LookedAtCase(ListCase):
    """Looks at the lease."""

    def inside(self, host: Host, lease: IpamLease) -> None:
        assert [item.gateway for item in lease.addresses] == [GATEWAY]


class LockedCase(ListCase):
    """Names the dependency that may hang."""

    stalls = (Stall("somebody holds the lock", hold_lock),)


for _case, _module in (
    (LookedAtCase, wrong_looks),
    (LookedAtCase, wrong_records),
    (LookedAtCase, wrong_releases),
    (LockedCase, locked),
):
    for _name in _module.__all__:
        if isinstance(_plugin := getattr(_module, _name), type):
            _made = type(f"{_name}Case", (_case,), {"backend": _plugin})
            _title = f"Test{_name.removesuffix('Backend')}"
            globals()[_title] = type(_title, (BackendSuite,), {"case": _made, "__module__": __name__})


class TestDoublesWhenRaced(Exhaustion, Unique):
    """Where one owner asks alone it waits in vain: only tests of many at once, and few addresses."""

    class case(ListCase):
        backend = wrong_races.DoublesWhenRaced
        small = ({"pool": "blue", "size": 2}, 2)
