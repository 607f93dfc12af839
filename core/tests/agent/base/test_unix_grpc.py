"""What gRPC's failures become, and what is missing without the extra."""

from __future__ import annotations

import sys

import pytest
from secnet.agent.base.unix_grpc import Meaning, Statuses, load
from secnet.contract import Busy, Unavailable, Unsupported

TABLE = Statuses(
    table={"RESOURCE_EXHAUSTED": Meaning(error=Busy, hint="wait")}, other=Meaning(error=Unavailable, hint="look")
)


def test_a_code_of_the_table_and_any_other() -> None:
    known = TABLE.error_of("RESOURCE_EXHAUSTED", "too many", "listing", subject="the runtime")
    assert (type(known), known.message, known.hint) == (Busy, "listing: too many (RESOURCE_EXHAUSTED)", "wait")
    other = TABLE.error_of("UNKNOWN", "", "listing", subject="the runtime")
    assert (type(other), other.message, other.subject) == (
        Unavailable,
        "listing: no reason given (UNKNOWN)",
        "the runtime",
    )


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)  # no environment of the tests lacks it
    with pytest.raises(Unsupported, match="grpc is not installed") as caught:
        load("secnet.agent.devices.podresources_pb2", subject="the kubelet")
    assert "secnet[cluster]" in caught.value.hint


def test_another_missing_module_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_messages"):
        load("no_such_messages", subject="x")
