"""Waiting for the agent, and answers."""

from __future__ import annotations

import json
import threading

import pytest
from secnet.agent.cni._calls import Answer, answer_findings, answer_removals, wait_until_ready
from secnet.agent.cni._protocol import parse_call
from secnet.contract import Busy, Cancelled, Finding, NotReady

from .helpers import ToyAttacher, conf, raw

CALL = parse_call(raw("CHECK", conf()))


def test_an_answer_is_what_is_printed_and_exited_with() -> None:
    assert (Answer().stdout, Answer().status) == ("", 0)
    failed = Answer(result={"code": 11}, failed=True)
    assert (json.loads(failed.stdout), failed.status) == ({"code": 11}, 1)


def test_an_agent_that_recovers_is_waited_for_only_so_long_and_only_for_a_caller() -> None:
    attacher, cancel = ToyAttacher(), threading.Event()
    wait_until_ready(attacher, cancel, 0)
    attacher.ready = False
    with pytest.raises(NotReady, match="recovering"):
        wait_until_ready(attacher, cancel, 0)
    cancel.set()
    with pytest.raises(Cancelled):
        wait_until_ready(attacher, cancel, 60)


def test_findings_fail_a_check() -> None:
    assert not answer_findings(CALL, []).failed
    failed = answer_findings(CALL, [Finding(code="NoLink", message="gone"), Finding(code="NoRoute", message="lost")])
    assert failed.result is not None
    assert failed.result["msg"] == "NoLink: gone; NoRoute: lost"


def test_each_removal_is_done_whatever_becomes_of_the_others() -> None:
    done: list[int] = []

    def busy() -> None:
        raise Busy("held")

    assert answer_removals(CALL, [busy, lambda: done.append(1)]).failed
    assert not answer_removals(CALL, [lambda: done.append(2)]).failed
    assert done == [1, 2]
