"""Plugins that are wrong in what they say of options, of the node or of themselves. Each runs the group of its fault."""

from __future__ import annotations

from sample_cases import ListCase, PairCase
from secnet.contract import IPAMBackend
from secnet_conformance.backend.readonly import ReadOnly as BackendReadOnly
from secnet_conformance.driver.observing import Observing
from secnet_conformance.driver.readonly import ReadOnly
from secnet_samples import wrong_views

for _name in wrong_views.__all__:
    _plugin = getattr(wrong_views, _name)
    if issubclass(_plugin, IPAMBackend):
        _groups, _base, _key = (BackendReadOnly,), ListCase, "backend"
    else:
        _groups, _base, _key = (ReadOnly if _name == "ValidatesByHost" else Observing,), PairCase, "driver"
    _made = type(f"{_name}Case", (_base,), {_key: _plugin})
    globals()[f"Test{_name}"] = type(f"Test{_name}", _groups, {"case": _made, "__module__": __name__})
