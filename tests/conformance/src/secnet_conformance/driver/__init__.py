"""The suite for network drivers: each group of tests is one module."""

from .checks import Checks
from .deadline import Deadlines
from .faults import Crashes, Faults
from .foreign import ForeignObjects
from .golden import Golden
from .lab import DriverLab
from .life import Life
from .neighbours import Neighbours
from .node import Node
from .observing import Observing
from .package import Package
from .parallel import Parallel
from .readonly import ReadOnly
from .refusals import Declarations, Refusals
from .resources import Resources
from .sections import NodeSections
from .shared_node import SharedNode

__all__ = ["DriverLab", "DriverSuite"]


class DriverSuite(
    Golden,
    Resources,
    Observing,
    NodeSections,
    SharedNode,
    Node,
    Deadlines,
    Checks,
    Refusals,
    Declarations,
    ForeignObjects,
    Neighbours,
    Parallel,
    Crashes,
    Faults,
    Life,
    ReadOnly,
    Package,
):
    """All tests of a driver. Derive a class from it and give it a `case`. Groups run from the last to the first."""
