"""The suite for IPAM backends: each group of tests is one class."""

from ..package import Package
from .crash import Crash
from .deadline import Deadline
from .inventory import Inventory
from .lab import BackendLab, BackendTests
from .leases import Leases
from .readonly import ReadOnly
from .refusals import Ips, Refusals
from .release import Release
from .remains import Golden, Resources
from .sharing import Exhaustion, Unique

__all__ = ["BackendLab", "BackendSuite"]


class BackendSuite(
    Golden,
    Resources,
    Deadline,
    Ips,
    Refusals,
    Crash,
    Inventory,
    Release,
    Exhaustion,
    Unique,
    Leases,
    ReadOnly,
    BackendTests,
    Package,
):
    """All tests of a backend. Derive a class from it and give it a `case`."""
