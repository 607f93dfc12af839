"""Whether an Antrea agent forbids new attachments, look after look, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.admission import Clearance
from secnet.agent.preflight.antrea import AntreaGuard
from secnet.contract import Call, NotReady
from secnet_testing.antrea import antrea_agent
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.scripted_plugins import make_rig, toy_work


class Watched:
    """A guard over an API, and how often it said that new attachments may be made."""

    def __init__(self, api: KubeApiProcess, reader: Any) -> None:
        self._api = api
        self.cleared = 0
        self.clearance = Clearance()
        self.guard = AntreaGuard(reader, on_clear=self._count, forbid=self.clearance.slot("antrea"))

    def feature(self, on: bool | int | None) -> None:
        """On, off, an HTTP status for whoever looks, or None for no Antrea."""
        self._api.no_faults()
        objects = antrea_agent(secondary_network=on is True)
        for obj in objects:
            if on is None:
                self._api.remove(obj)
            else:
                self._api.apply(obj)
        if isinstance(on, int) and not isinstance(on, bool):
            self._api.fail(kind="status", status=on, path="/daemonsets/", count=100)

    def look(self) -> bool:
        return self.guard.look()

    def refuses(self) -> bool:
        try:
            self.clearance.require()
        except NotReady:
            return True
        return False

    def _count(self) -> None:
        self.cleared += 1


@pytest.fixture
def watched(kubeapi: KubeApiProcess, open_reader: Any) -> Watched:
    return Watched(kubeapi, open_reader())


def test_without_an_api_there_is_no_one_beside_us() -> None:
    clearance = Clearance()
    guard = AntreaGuard(None, forbid=clearance.slot("antrea"))
    clearance.require()
    assert (guard.needed, guard.look(), guard.refusal(), guard.problems()) == (False, True, "", ())


def test_nothing_is_attached_before_the_first_answer(watched: Watched) -> None:
    watched.feature(503)
    assert watched.refuses()
    assert not watched.look()
    assert "not known yet" in watched.guard.refusal()
    watched.feature(None)
    assert watched.look()
    assert (watched.refuses(), watched.cleared) == (False, 1)


@pytest.mark.parametrize(("status", "answered"), [(503, False), (403, True)])
def test_what_was_seen_holds_while_it_cannot_be_seen_and_not_longer(
    watched: Watched, status: int, answered: bool
) -> None:
    watched.feature(False)
    watched.look()
    watched.feature(True)
    assert watched.look()
    since = watched.guard.problems()
    assert [problem.note for problem in since] == [False]
    watched.feature(status)
    assert watched.look() is answered
    assert watched.refuses()
    if answered:  # who switches the feature off now must learn why that changes nothing here
        (problem,) = watched.guard.problems()
        assert "when that could last be seen" in problem.message
        assert "now it cannot be read: " in watched.guard.refusal()
        assert ("ClusterRole" in problem.hint, problem.note) == (True, False)
    else:
        assert watched.guard.problems() == since
    watched.feature(False)
    watched.look()
    assert (watched.refuses(), watched.guard.problems(), watched.cleared) == (False, (), 2)


def test_a_feature_that_could_never_be_seen_is_a_note(watched: Watched) -> None:
    watched.feature(403)
    assert watched.look()
    assert not watched.refuses()
    assert [problem.note for problem in watched.guard.problems()] == [True]
    watched.look()
    assert watched.cleared == 1


def test_nothing_is_planned_or_removed_while_it_is_forbidden(watched: Watched, tmp_path: Path) -> None:
    watched.feature(False)
    watched.look()
    rig = make_rig(tmp_path, clearance=watched.clearance)
    record = rig.attach()
    rig.script.log.clear()
    watched.feature(True)
    watched.look()
    for forbidden in (
        lambda call: rig.pipeline.plan(toy_work("eth2"), call),
        lambda call: rig.pipeline.attach(toy_work("eth2"), call),
        lambda call: rig.pipeline.repair(record, call),
    ):
        with pytest.raises(NotReady, match="would free our addresses"):
            forbidden(Call.within(5))
    assert rig.script.log == []
    assert rig.pipeline.check(record, Call.within(5)).findings == ()
    rig.pipeline.detach(record, Call.within(5))
    assert rig.journal.records() == ()
