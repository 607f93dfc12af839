"""What an annotation still asks for, beside what callers of our CNI plugin have made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.multus import MultusState
from secnet.agent.model.record import Origin
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.model.work import Changes
from secnet.agent.networks.desired import DesiredNetworks, selections_of
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.state.journal import Journal
from secnet.contract import NetnsRef
from secnet_testing.contract_objects import POD, record
from secnet_testing.scripted_plugins import Script, toy_registry

SANDBOX = Sandbox(container_id="c1", netns=NetnsRef(path="/run/netns/none", device=1, inode=2))
_NO_MULTUS = MultusState()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def changes_of(
    journal: Journal, *, name: str | None = None, sandbox: Sandbox = SANDBOX, multus: MultusState = _NO_MULTUS
) -> Changes:
    """For a Pod that asks for `blue` and `green`. name: in the configuration of `blue`."""
    registry = toy_registry(Script())
    nads = NadCache(registry)
    for each in ("blue", "green"):
        config = {"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy"}
        config |= {"name": name} if name is not None and each == "blue" else {}
        nads.update({"metadata": {"namespace": "default", "name": each}, "spec": {"config": json.dumps(config)}})
    metadata = {"namespace": "default", "name": "web", "uid": "uid-web"}
    pod = {"metadata": metadata | {"annotations": {"k8s.v1.cni.cncf.io/networks": "blue,green"}}}
    nads.set_multus(multus)
    desired = DesiredNetworks(nads, registry, called=journal.called_networks)
    return desired.changes(selections_of(pod), journal.of_pod("default", "web"), POD, sandbox)


def attached(journal: Journal, **given: Any) -> list[str]:
    """The networks to be attached."""
    changes = changes_of(journal, **given)
    assert changes.remove == ()
    return [work.request.network.name for work in changes.attach]


def test_a_network_that_a_caller_made_is_not_made_a_second_time(journal: Journal) -> None:
    assert attached(journal) == ["blue", "green"]
    journal.write(record("net1", origin=Origin.CNI))
    assert attached(journal) == ["green"]


def test_callers_know_a_network_by_the_name_in_its_configuration(journal: Journal) -> None:
    journal.write(record("net1", name="the-blue-one", origin=Origin.CNI))
    assert attached(journal, name="the-blue-one") == ["green"]
    assert attached(journal) == ["blue", "green"]


def test_what_a_caller_made_in_another_sandbox_does_not_count(journal: Journal) -> None:
    journal.write(record("net1", container="c0", origin=Origin.CNI))
    assert attached(journal) == ["blue", "green"]


def test_what_a_caller_made_and_what_it_has_not_called_for(journal: Journal) -> None:
    journal.write(record("net1", origin=Origin.CNI))
    changes = changes_of(journal, multus=MultusState(serves=True))
    assert (changes.called, changes.uncalled) == (("default/blue",), ("default/green",))
    assert (changes.attach, changes.rejected) == ((), ())


def test_multus_away_takes_nothing_from_what_it_made(journal: Journal) -> None:
    journal.write(record("net1", origin=Origin.CNI))
    changes = changes_of(journal, multus=MultusState(serves=True, away="is away", remedy="see why"))
    (rejected,) = changes.rejected
    assert (rejected.selection_id.network.name, rejected.error.retryable) == ("green", True)
    assert changes.called == ("default/blue",)
