"""`secnet doctor`: what would keep the agent from working on this node, each with its remedy. Reads, and never changes anything.

A check is a function from `Host` to results. `run_checks` runs them all; one that fails itself says so and stops no other.
"""

from ._base import ApiReader, Check, Host, Level, Result
from ._examine import CHECKS, run_checks
from ._used import used_types

__all__ = ["CHECKS", "ApiReader", "Check", "Host", "Level", "Result", "run_checks", "used_types"]
