"""Whether the API knows a Node of our name, look after look, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.attach.admission import Clearance
from secnet.agent.preflight.own_node import OwnNode, boot_of
from secnet.contract import NotReady
from secnet_testing.kubeapi.process import KubeApiProcess

THERE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}


def node_with_boot_id(boot: object) -> dict[str, object]:
    """The Node as a kubelet keeps it."""
    return THERE | {"status": {"nodeInfo": {"bootID": boot}}}


class Watched:
    """The look of an agent that is named worker-1. lists: how often its watch began again. now: its clock."""

    def __init__(self, api: KubeApiProcess, reader: Any) -> None:
        self._api = api
        self.lists = 0
        self.now = 1000.0
        self.clearance = Clearance()
        self.node = OwnNode(
            reader,
            "worker-1",
            boot_id="here",
            relisted=lambda: self.lists,
            clock=lambda: self.now,
            forbid=self.clearance.slot("own Node"),
        )

    def look(self, answer: Any) -> bool:
        """answer: the Node, or an HTTP status."""
        self._api.no_faults()
        if answer == 404:
            self._api.remove(THERE)
        elif isinstance(answer, int):
            self._api.fail(kind="status", status=answer, path="/nodes/worker-1")
        else:
            self._api.apply(answer)
        return self.node.look()

    @property
    def notes(self) -> list[bool]:
        """Of each problem, whether it is a note."""
        return [problem.note for problem in self.node.problems()]


@pytest.fixture
def watched(kubeapi: KubeApiProcess, open_reader: Any) -> Watched:
    return Watched(kubeapi, open_reader())


def test_without_an_api_there_is_no_node() -> None:
    node = OwnNode(None, "worker-1")
    assert (node.look(), node.missing(), node.problems(), node.may_begin()) == (True, "", (), True)


def test_a_name_that_no_node_has_is_shown_until_there_is_one(watched: Watched) -> None:
    assert not watched.look(404)
    assert "Node worker-1: there is none of this name" in watched.node.missing()
    assert "nodeName" in watched.node.missing()
    assert watched.notes == [False]
    assert watched.look(THERE)
    assert (watched.node.missing(), watched.notes) == ("", [])


def test_a_node_that_was_found_is_looked_up_again_only_with_a_new_list(watched: Watched) -> None:
    watched.look(THERE)
    assert watched.look(404)
    assert watched.node.missing() == "", "it was not asked for"
    watched.lists += 1
    assert not watched.look(404)
    assert watched.node.missing()


@pytest.mark.parametrize("before", [THERE, 404])
def test_an_api_that_does_not_answer_changes_nothing(watched: Watched, before: object) -> None:
    watched.look(before)
    problem = watched.node.missing()
    watched.lists += 1
    assert not watched.look(503)
    assert watched.node.missing() == problem


def test_the_node_of_another_machine_is_not_ours(watched: Watched) -> None:
    assert not watched.node.may_begin(), "no one knows yet"
    assert not watched.look(node_with_boot_id("elsewhere"))
    assert (watched.node.may_begin(), watched.node.is_another(), watched.node.is_sure()) == (False, True, False)
    assert "has not reported this boot yet" in watched.node.missing()
    assert watched.notes == [True], "just after a boot that is no error"
    with pytest.raises(NotReady, match="another machine's"):
        watched.clearance.require()
    watched.now += 119
    assert not watched.look(node_with_boot_id("elsewhere"))
    assert watched.notes == [True]
    watched.now += 1
    assert not watched.look(node_with_boot_id("elsewhere"))
    assert watched.notes == [False]
    for part in ("its bootID is elsewhere, here it is here", "correct nodeName", "NODE_NAME"):
        assert part in watched.node.missing()
    assert not watched.node.may_begin()


def test_a_kubelet_that_tells_of_the_boot_ends_the_wait(watched: Watched) -> None:
    watched.look(node_with_boot_id("before"))
    assert watched.look(node_with_boot_id("here"))
    watched.clearance.require()
    assert (watched.node.missing(), watched.notes) == ("", [])
    assert (watched.node.may_begin(), watched.node.is_sure()) == (True, True)


@pytest.mark.parametrize("answer", [THERE, node_with_boot_id(""), 403, 404])
def test_without_a_boot_id_nothing_is_compared_and_nothing_is_sure(watched: Watched, answer: object) -> None:
    watched.look(answer)
    watched.clearance.require()
    assert (watched.node.may_begin(), watched.node.is_sure()) == (True, False)


@pytest.mark.parametrize(
    "node", [node_with_boot_id(None), THERE | {"status": None}, THERE | {"status": {"nodeInfo": None}}, {}]
)
def test_a_node_without_a_boot_id(node: dict[str, object]) -> None:
    assert boot_of(node) == ""


def test_a_node_that_turns_another_machines_is_reported(watched: Watched) -> None:
    watched.look(node_with_boot_id("here"))
    watched.lists += 1
    assert not watched.look(node_with_boot_id("elsewhere"))
    assert watched.node.is_another()


def test_an_agent_that_may_not_look_says_so_and_works(watched: Watched) -> None:
    assert watched.look(403)
    assert (watched.node.missing(), watched.notes) == ("", [True])
