"""The suite for network drivers: each group of tests is one module."""

from .faults import Crashes, Faults
from .lab import DriverLab
from .life import Life
from .package import Package
from .readonly import ReadOnly

__all__ = ["DriverLab", "DriverSuite"]


class DriverSuite(Crashes, Faults, Life, ReadOnly, Package):
    """All tests of a driver. Derive a class from it and give it a `case`."""
