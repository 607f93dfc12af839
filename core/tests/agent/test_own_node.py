"""Whether the API knows a Node of our name, look after look, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from secnet.agent.own_node import OwnNode
from secnet_testing.apidouble import ApiDouble, serve_api

PATH = "/api/v1/nodes/worker-1"
THERE = {"metadata": {"name": "worker-1"}}


class Watched:
    """The look of an agent that is named worker-1. lists: how often its watch began anew."""

    def __init__(self, api: ApiDouble) -> None:
        self.api = api
        self.lists = 0
        self.node = OwnNode(api.reader, "worker-1", relisted=lambda: self.lists)

    def look(self, answer: object) -> bool:
        """answer: an object or an HTTP status."""
        self.api.objects = {PATH: answer}
        return self.node.look()

    @property
    def notes(self) -> list[bool]:
        """Of each problem, whether it is a note."""
        return [problem.note for problem in self.node.problems()]


@pytest.fixture
def watched() -> Iterator[Watched]:
    with serve_api() as api:
        yield Watched(api)


def test_without_an_api_there_is_no_node() -> None:
    node = OwnNode(None, "worker-1")
    assert (node.look(), node.missing(), node.problems()) == (True, "", ())


def test_a_name_that_no_node_has_is_told_until_there_is_one(watched: Watched) -> None:
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
    told = watched.node.missing()
    watched.lists += 1
    assert not watched.look(503)
    assert watched.node.missing() == told


def test_an_agent_that_may_not_look_says_so_and_works(watched: Watched) -> None:
    assert watched.look(403)
    assert (watched.node.missing(), watched.notes) == ("", [True])
