"""Why the last sandbox of a Pod failed, shown until another one is there."""

from __future__ import annotations

from secnet.agent.model.report import PodReport, SyncResult
from secnet.agent.status.sandbox_failures import SandboxFailures
from secnet.contract import Conflict, NotReady, PodRef
from secnet_testing.contract_objects import POD

KEY = ("default", "web")
OBJECT = {"metadata": {"namespace": "default", "name": "web", "uid": "uid-web"}}
WAITS = SyncResult(report=PodReport(pod=POD, error=NotReady("no sandbox yet").info))
SERVED = SyncResult(report=PodReport(pod=POD))


def test_it_stands_while_there_is_no_sandbox_and_goes_with_the_next_one() -> None:
    failures = SandboxFailures()
    assert failures.shown(KEY, WAITS) == WAITS
    noted = failures.note(KEY, OBJECT, Conflict("net1 is taken"))
    for _ in range(2):
        shown = failures.shown(KEY, WAITS).report
        assert shown == noted
    assert failures.shown(KEY, SERVED) == SERVED
    assert failures.shown(KEY, WAITS) == WAITS, "it is forgotten"


def test_it_is_not_shown_for_another_pod_of_that_name() -> None:
    failures = SandboxFailures()
    failures.note(KEY, OBJECT, Conflict("net1 is taken"))
    other = PodRef(namespace="default", name="web", uid="another")
    waits = SyncResult(report=PodReport(pod=other, error=NotReady("no sandbox yet").info))
    assert failures.shown(KEY, waits) == waits
