"""The suite for network drivers: each group of tests is one module."""

from .lab import DriverLab
from .life import Life

__all__ = ["DriverLab", "DriverSuite"]


class DriverSuite(Life):
    """All tests of a driver. Derive a class from it and give it a `case`."""
