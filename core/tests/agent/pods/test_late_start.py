"""Which sandboxes got past the chained CNI plugin."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.pods.late_start import LateStart
from secnet_testing.contract_objects import record

RECORD = record()
SANDBOX = Sandbox(container_id=RECORD.key.container_id, netns=RECORD.attachment.request.netns)
POD: dict[str, Any] = {}


def late(*, chaining: bool = True, called: bool = False, annotated_later: bool = False) -> LateStart:
    return LateStart(
        chaining=lambda: chaining,
        called=lambda container_id: called and container_id == SANDBOX.container_id,
        annotated_later=lambda pod: annotated_later,
    )


def test_a_sandbox_for_which_the_plugin_was_never_called_is_late() -> None:
    assert late().is_late(POD, SANDBOX, ())


@pytest.mark.parametrize(
    "facts", [{"chaining": False}, {"called": True}, {"annotated_later": True}], ids=lambda facts: next(iter(facts))
)
def test_a_sandbox_that_had_not_to_wait_or_did_is_not(facts: dict[str, bool]) -> None:
    assert not late(**facts).is_late(POD, SANDBOX, ())


def test_what_was_attached_in_time_proves_that_the_plugin_was_called() -> None:
    assert not late().is_late(POD, SANDBOX, [RECORD])
    assert late().is_late(POD, SANDBOX, [dataclasses.replace(RECORD, late=True)])
    assert late().is_late(POD, dataclasses.replace(SANDBOX, container_id="another"), [RECORD])
