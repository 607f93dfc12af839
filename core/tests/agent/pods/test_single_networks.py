"""DEL of one network answers 0 only when the interface is gone, or recorded as to go."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from secnet.agent.base.queue import WorkQueue
from secnet.agent.model.record import Origin, Phase, Record
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods.asked_networks import AskedNetworks
from secnet.agent.pods.cni_attach import NodeAttacher
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet.contract import Busy, Call, SecnetError, Timeout
from secnet_testing.contract_objects import POD, record
from secnet_testing.scripted_plugins import Rig, Script, make_worker, toy_registry


class Detaching:
    """Stands for the pipeline: a host on which a detach fails at a chosen place is dear to make."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.failure: SecnetError | None = None
        self.recorded_first = True

    def detach(self, item: Record, call: Call) -> None:
        if self.recorded_first:
            self.journal.write(item.replace(phase=Phase.DETACHING))
        if self.failure is not None:
            raise self.failure
        self.journal.remove(item.key)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal")
    journal.write(record("net1", origin=Origin.CNI))
    return journal


@pytest.fixture
def queue() -> WorkQueue:
    return WorkQueue(lambda key: None, 1)


@pytest.fixture
def pipeline(journal: Journal) -> Detaching:
    return Detaching(journal)


@pytest.fixture
def attacher(journal: Journal, queue: WorkQueue, pipeline: Detaching) -> NodeAttacher:
    """With what DEL of one network uses, and nothing else."""
    parts: dict[str, Any] = dict.fromkeys(("cluster", "pods", "cni_sandboxes", "sandboxes", "registry"))
    rig = Rig(journal=journal, pipeline=pipeline, script=Script())  # type: ignore[arg-type]
    return NodeAttacher(
        **parts,
        controller=SimpleNamespace(hold=queue.hold),  # type: ignore[arg-type]
        worker=make_worker(rig, seconds=0.1),
        journal=journal,
        asked=AskedNetworks(PodTable("node-1"), NadCache(toy_registry(Script())), lambda *args, **kwargs: None),
        checks=SimpleNamespace(check=lambda records, beat: None),  # type: ignore[arg-type]
        deadline=1.0,
    )


def end(attacher: NodeAttacher, journal: Journal) -> None:
    (item,) = journal.records()
    attacher.detach_one(item.key.container_id, "net1", item.attachment.request.network.name)


def test_what_is_there_is_ended(attacher: NodeAttacher, journal: Journal) -> None:
    end(attacher, journal)
    assert journal.records() == ()


def test_a_pod_that_is_worked_on_for_too_long_is_an_error(
    attacher: NodeAttacher, journal: Journal, queue: WorkQueue
) -> None:
    """The record stays Attached, so no one but the caller would ever try again."""
    held, done = threading.Event(), threading.Event()

    def work() -> None:
        with queue.hold((POD.namespace, POD.name), Call()):
            held.set()
            done.wait(60)

    worker = threading.Thread(target=work)
    worker.start()
    assert held.wait(60)
    try:
        with pytest.raises(Timeout):
            end(attacher, journal)
    finally:
        done.set()
        worker.join()
    end(attacher, journal)
    assert journal.records() == ()


def test_what_is_recorded_as_to_be_removed_is_the_agents_task(
    attacher: NodeAttacher, journal: Journal, pipeline: Detaching
) -> None:
    pipeline.failure = Busy("the switch does not answer")
    end(attacher, journal)
    assert [item.phase for item in journal.records()] == [Phase.DETACHING]
    pipeline.failure = None
    attacher.resync()
    assert journal.records() == ()


def test_what_failed_before_that_is_an_error(attacher: NodeAttacher, journal: Journal, pipeline: Detaching) -> None:
    pipeline.failure, pipeline.recorded_first = Busy("an exclusive resource is held"), False
    with pytest.raises(Busy):
        end(attacher, journal)


def test_the_agents_own_round_goes_on_after_an_error(
    attacher: NodeAttacher, journal: Journal, pipeline: Detaching
) -> None:
    pipeline.failure, pipeline.recorded_first = Busy("an exclusive resource is held"), False
    attacher.resync()  # its namespace is no real one, so it is left
    assert len(journal.records()) == 1
