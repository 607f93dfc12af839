"""NADs that exist and that the watch has not reported; test_sandbox_attach has the same for a whole sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.pods.late_nads import LateNads
from secnet.contract import NetworkRef, ObjectNotFound, ObjectRef, Unavailable
from secnet_testing.scripted_plugins import Script, toy_registry

BLUE = NetworkRef(namespace="default", name="blue")


class Source:
    """A source of objects that has these NADs, or does not answer. asked: for which."""

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        self.names = names
        self.error = error
        self.asked: list[tuple[str, str, str]] = []

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        self.asked.append((kind, namespace, name))
        if self.error is not None:
            raise self.error
        if name not in self.names:
            raise ObjectNotFound("there is no such object")
        config = {"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy"}
        return {"metadata": {"namespace": namespace, "name": name}, "spec": {"config": json.dumps(config)}}


def take(source: Source, *refs: ObjectRef) -> tuple[bool, NadCache]:
    nads = NadCache(toy_registry(Script()))
    return LateNads(source, nads).take(ObjectNotFound("x", waits_for=refs or (BLUE.object_ref,))), nads  # type: ignore[arg-type]


def test_one_that_exists_is_known_from_then_on() -> None:
    found, nads = take(Source("blue"))
    assert found
    assert nads.look_up(BLUE) is not None


def test_one_that_does_not_exist_is_not() -> None:
    found, nads = take(Source("red"))
    assert not found
    with pytest.raises(ObjectNotFound):
        nads.look_up(BLUE)


def test_nothing_else_is_asked_for() -> None:
    source = Source()
    found, _ = take(source, ObjectRef(group="crd.antrea.io", kind="IPPool", name="p"))
    assert (found, source.asked) == (False, [])


def test_without_an_answer_nothing_is_claimed() -> None:
    with pytest.raises(Unavailable):
        take(Source(error=Unavailable("no answer")))
