"""Which sandboxes live: a path that cannot be looked at is no sign of death, and keeps no one from looking at others."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.pod import asks_for_networks
from secnet.agent.model.record import Phase, Record
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.sandboxes.monitor import SandboxMonitor, lives, outliving
from secnet.agent.sandboxes.pod_table import PodTable
from secnet.agent.state.journal import Journal
from secnet.contract import NetnsRef
from secnet.linux.netns import identify
from secnet_testing.contract_objects import record
from secnet_testing.netns import NetnsFactory

GONE = NetnsRef(path="/run/netns/none", device=1, inode=2)


class Source:
    """A source whose answers a test chooses; one that fails by a fault of ours cannot be had otherwise."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.fingerprints: dict[str, Hashable] = {}

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        raise NotImplementedError

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        return self.fingerprints[pod["metadata"]["name"]]

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        return None

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        return container_id in self.ended


def pod(name: str) -> dict[str, Any]:
    annotations = {"k8s.v1.cni.cncf.io/networks": "blue"}
    return {"metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}", "annotations": annotations}}


def at(item: Record, netns: NetnsRef) -> Record:
    """The same record in another namespace."""
    request = replace(item.attachment.request, netns=netns)
    return replace(item, attachment=replace(item.attachment, request=request))


@pytest.fixture
def unreadable(tmp_path: Path) -> NetnsRef:
    """A path that even root cannot follow."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    return NetnsRef(path=str(loop), device=1, inode=2)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def monitor(source: Source, journal: Journal, *names: str) -> SandboxMonitor:
    pods = PodTable("n")
    for name in names:
        pods.update(pod(name))
    return SandboxMonitor(source, journal, pods, asks_for_networks)


@pytest.mark.kernel
def test_a_namespace_lives_until_it_is_known_to_be_gone(netns_factory: NetnsFactory, unreadable: NetnsRef) -> None:
    found = [lives(netns) for netns in (identify(netns_factory().path), unreadable, GONE)]
    assert found == [True, True, False]


def test_a_sandbox_outlives_its_pod_as_long_as_no_one_says_that_it_ended(unreadable: NetnsRef) -> None:
    source = Source()
    whole, half, gone = (
        at(record("eth1"), unreadable),
        at(record("eth2", phase=Phase.ATTACHING), unreadable),
        at(record("eth3"), GONE),
    )
    assert outliving((whole, half, gone), source) == (whole,)
    source.ended.add("c1")
    assert outliving((whole, half, gone), source) == ()


def test_only_what_changed_is_checked(journal: Journal) -> None:
    source = Source()
    source.fingerprints = {"a": 1, "b": 1}
    look = monitor(source, journal, "a", "b")
    assert sorted(look.changed()) == [("default", "a"), ("default", "b")]
    assert look.changed() == []
    source.fingerprints["b"] = 2
    assert look.changed() == [("default", "b")]


def test_the_end_of_a_sandbox_whose_pod_is_gone_is_seen(journal: Journal, unreadable: NetnsRef) -> None:
    journal.write(at(record(), unreadable))
    source = Source()
    look = monitor(source, journal)
    assert look.changed() == [("default", "web")]
    assert look.changed() == []
    source.ended.add("c1")
    assert look.changed() == [("default", "web")]


def test_a_look_that_fails_stops_no_other(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    source.fingerprints = {"b": 1}  # the look at a raises
    look = monitor(source, journal, "a", "b")
    with caplog.at_level(logging.ERROR):
        assert ("default", "b") in look.changed()
    assert "Pod default/a cannot be checked" in caplog.text
    source.fingerprints["b"] = 2
    assert look.changed() == [("default", "b")]
    source.fingerprints["a"] = 1
    assert look.changed() == [("default", "a")]


def test_all_is_settled_once_each_pod_has_its_sandbox(journal: Journal) -> None:
    source = Source()
    source.fingerprints = {"a": 1, "b": None}
    pods = PodTable("n")
    look = SandboxMonitor(source, journal, pods, asks_for_networks)
    for name in "ab":
        pods.update(pod(name))
    assert not look.is_settled()
    look.changed()
    assert not look.is_settled()
    source.fingerprints["b"] = 1
    look.changed()
    assert look.is_settled()
    source.fingerprints["c"] = 1
    pods.update(pod("c"))
    assert not look.is_settled()
    look.changed()
    assert look.is_settled()


def test_a_pod_that_has_finished_waits_for_no_sandbox(journal: Journal) -> None:
    source = Source()
    source.fingerprints = {"a": None}
    pods = PodTable("n")
    look = SandboxMonitor(source, journal, pods, asks_for_networks)
    pods.update(pod("a") | {"status": {"phase": "Succeeded"}})
    look.changed()
    assert look.is_settled()


def test_nothing_is_settled_while_a_sandbox_outlives_its_pod(journal: Journal, unreadable: NetnsRef) -> None:
    journal.write(at(record(), unreadable))
    look = monitor(Source(), journal)
    look.changed()
    assert not look.is_settled()


def test_a_pod_recreated_has_no_sandbox_yet(journal: Journal) -> None:
    """As one of a StatefulSet, between two looks."""
    source = Source()
    source.fingerprints = {"a": 1}
    pods = PodTable("n")
    look = SandboxMonitor(source, journal, pods, asks_for_networks)
    pods.update(pod("a"))
    look.changed()
    assert look.is_settled()
    again = pod("a")
    again["metadata"]["uid"] = "uid-a2"
    pods.update(again)
    assert not look.is_settled()
