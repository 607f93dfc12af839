"""Numbers in JSON: a time may be written without a fraction, and nothing else is a number."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from secnet.contract import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    at: float | None = None


@pytest.mark.parametrize("at", [1.5, 2, 0, -3.25, None])
def test_a_number_comes_back(at: Any) -> None:
    found = from_json(Moment, json.loads(json.dumps(to_json(Moment(at=at)))))
    assert found == Moment(at=at)
    assert found.at is None or type(found.at) is float


@pytest.mark.parametrize("at", [True, "1", [1]])
def test_what_is_no_number_is_refused(at: Any) -> None:
    with pytest.raises(ValueError, match=r"Moment\.at"):
        from_json(Moment, {"at": at})
