"""Which sandboxes got past the chained CNI plugin."""

from __future__ import annotations

import dataclasses

import pytest
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.pods.late_start import LateStart
from secnet_testing.contract_objects import record

RECORD = record()
SANDBOX = Sandbox(container_id=RECORD.key.container_id, netns=RECORD.attachment.request.netns, asked=True)


def late(*, chaining: bool = True, called: bool = False) -> LateStart:
    return LateStart(
        chaining=lambda: chaining,
        called=lambda container_id: called and container_id == SANDBOX.container_id,
    )


def test_a_sandbox_for_which_the_plugin_was_never_called_is_late() -> None:
    assert late().is_late(SANDBOX, ())


@pytest.mark.parametrize("facts", [{"chaining": False}, {"called": True}], ids=lambda facts: next(iter(facts)))
def test_a_sandbox_that_had_not_to_wait_or_did_is_not(facts: dict[str, bool]) -> None:
    assert not late(**facts).is_late(SANDBOX, ())


def test_a_sandbox_whose_pod_asked_for_nothing_when_it_was_made_is_not() -> None:
    assert not late().is_late(dataclasses.replace(SANDBOX, asked=False), ())


def test_what_was_attached_in_time_proves_that_the_plugin_was_called() -> None:
    assert not late().is_late(SANDBOX, [RECORD])
    assert late().is_late(SANDBOX, [dataclasses.replace(RECORD, late=True)])
    assert late().is_late(dataclasses.replace(SANDBOX, container_id="another"), [RECORD])
