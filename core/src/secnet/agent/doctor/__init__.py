"""`secnet doctor`: what of this node would keep the agent from working, each with the mend. Reads, and never changes anything.

A check is a function from `Host` to results. `run_checks` runs them all; one that fails itself says so and stops no other.
"""

from ._base import ApiReader, Check, Host, Level, Result
from ._examine import CHECKS, run_checks

__all__ = ["CHECKS", "ApiReader", "Check", "Host", "Level", "Result", "run_checks"]
