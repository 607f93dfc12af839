"""The rules for the plugin in the runtime's chain."""

from __future__ import annotations

import pytest
from secnet.agent.cni._service import CniService
from secnet.contract import Busy, ErrorInfo

from .helpers import PREVIOUS, RECORDS, SYSTEM, ToyAttacher, ask, code, conf, valid


def test_namespaces_that_never_wait_do_not_wait_for_recovery(service: CniService, attacher: ToyAttacher) -> None:
    attacher.ready = False
    assert ask(service, "ADD", conf(), CNI_ARGS=SYSTEM).result == PREVIOUS
    assert code(ask(service, "ADD", conf(failOpenNamespaces=[]), CNI_ARGS=SYSTEM)) == 11
    assert attacher.asked == []


def test_but_they_get_their_networks_from_an_agent_that_is_ready(service: CniService, attacher: ToyAttacher) -> None:
    attacher.error = Busy("no address is free")
    assert code(ask(service, "ADD", conf(), CNI_ARGS=SYSTEM)) == 11


def test_the_agent_knows_which_pods_must_not_wait(service: CniService, attacher: ToyAttacher) -> None:
    ask(service, "ADD", conf(), CNI_ARGS=SYSTEM)
    ask(service, "ADD", conf())
    assert [sandbox.may_pass for sandbox in attacher.asked] == [True, False]


def test_a_sandbox_without_a_pod_passes(service: CniService, attacher: ToyAttacher) -> None:
    attacher.ready = False
    assert ask(service, "ADD", conf(), CNI_ARGS=None).result == PREVIOUS
    assert attacher.asked == []


def test_gc_in_a_chain_compares_sandboxes(service: CniService, attacher: ToyAttacher) -> None:
    attacher.records = RECORDS
    assert ask(service, "GC", conf(**valid(("lives", "eth0")))).stdout == ""
    assert attacher.asked == [("dead",)]


def test_gc_in_a_chain_ends_nothing_that_lives_by_the_runtimes_word(service: CniService, attacher: ToyAttacher) -> None:
    attacher.records, attacher.living = RECORDS, {"dead"}
    assert ask(service, "GC", conf(**valid(("lives", "eth0")))).status == 0
    assert attacher.asked == []


@pytest.mark.parametrize("ready", [True, False])
def test_status_in_a_chain_is_never_an_error(service: CniService, attacher: ToyAttacher, ready: bool) -> None:
    attacher.ready, attacher.why = ready, ErrorInfo(reason="NotReady", message="no bridge")
    assert (ask(service, "STATUS", conf()).status, ask(service, "STATUS", conf()).stdout) == (0, "")
