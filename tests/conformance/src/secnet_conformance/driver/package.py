"""What is asked of a driver as a package beside what every plugin is asked."""

from __future__ import annotations

from collections.abc import Sequence

from .. import package
from ..cases import DriverCase
from .lab import DriverTests, info_of

__all__ = ["Package"]


class Package(DriverTests, package.Package):
    """Nothing here needs a host."""

    group = "package"
    needs_life = False

    @classmethod
    def lacks(cls) -> Sequence[str]:
        """Nothing is asked of a case that is not ready: it leaves out all of this."""
        if cls.case.not_ready:
            return ()
        found = [] if cls.case.stalls else ["that calls end with their deadline (no stalls in the case)"]
        if info_of(cls.case).options.get("properties") and cls.case.inside is DriverCase.inside:
            found.append("that options have their effect (no inside in the case)")
        return found
