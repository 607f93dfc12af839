"""Drivers that are wrong in what they say of options or of the node. Each runs the one group that is about its fault."""

from __future__ import annotations

from sample_cases import PairCase
from secnet_conformance.driver.observing import Observing
from secnet_conformance.driver.readonly import ReadOnly
from secnet_samples import wrong_views

for _name in wrong_views.__all__:
    _group = ReadOnly if _name == "ValidatesByHost" else Observing
    _made = type(f"{_name}Case", (PairCase,), {"driver": getattr(wrong_views, _name)})
    globals()[f"Test{_name}"] = type(f"Test{_name}", (_group,), {"case": _made, "__module__": __name__})
