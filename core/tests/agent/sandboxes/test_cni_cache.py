"""Sandboxes that ADD registered."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pytest
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.sandboxes.cni_cache import CniSandboxCache
from secnet.contract import Gone, NetnsRef, NotReady
from secnet.linux.netns import identify
from secnet_testing.netns import NetnsFactory

pytestmark = pytest.mark.kernel

GONE = NetnsRef(path="/run/netns/none", device=1, inode=2)


class Others:
    """A source that always knows the same sandbox."""

    def __init__(self, container_id: str) -> None:
        self._sandbox = Sandbox(container_id=container_id, netns=GONE)

    def resolve(self, pod: Mapping[str, Any], *, now: bool = True) -> Sandbox:
        return self._sandbox

    def fingerprint(self, pod: Mapping[str, Any]) -> Hashable:
        return self._sandbox.container_id

    def container_of(self, pod: Mapping[str, Any]) -> str | None:
        return self._sandbox.container_id

    def has_ended(self, container_id: str, *, now: bool = True) -> bool:
        return container_id == "ended"


def pod(uid: str = "u1") -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": "web", "uid": uid}}


@pytest.fixture
def living(netns_factory: NetnsFactory) -> Sandbox:
    return Sandbox(container_id="new", netns=identify(netns_factory().path))


def test_what_was_registered_comes_before_what_others_know(living: Sandbox) -> None:
    cni_sandboxes = CniSandboxCache(Others("old"))
    assert cni_sandboxes.resolve(pod()).container_id == "old"
    cni_sandboxes.register(pod(), living)
    assert (cni_sandboxes.resolve(pod()), cni_sandboxes.container_of(pod())) == (living, "new")
    assert cni_sandboxes.pod_of("new") == ("default", "web")


def test_a_later_pod_of_the_name_does_not_get_the_sandbox_of_the_first(living: Sandbox) -> None:
    cni_sandboxes = CniSandboxCache(Others("of-u2"))
    cni_sandboxes.register(pod("u1"), living)
    assert cni_sandboxes.resolve(pod("u2")).container_id == "of-u2"


def test_a_sandbox_that_ended_is_none_even_if_others_still_list_it(living: Sandbox) -> None:
    cni_sandboxes = CniSandboxCache(Others("new"))
    cni_sandboxes.register(pod(), living)
    cni_sandboxes.forget("new")
    with pytest.raises(NotReady, match="ends"):
        cni_sandboxes.resolve(pod())
    assert cni_sandboxes.container_of(pod()) is None
    cni_sandboxes.register(pod(), living)
    assert cni_sandboxes.resolve(pod()) == living


def test_a_late_add_of_an_ended_sandbox_does_not_take_the_place_of_a_living_one(
    living: Sandbox, netns_factory: NetnsFactory
) -> None:
    cni_sandboxes = CniSandboxCache(Others("new"))
    late = Sandbox(container_id="late", netns=identify(netns_factory().path))
    cni_sandboxes.forget("late")
    cni_sandboxes.register(pod(), living)
    with pytest.raises(Gone, match="late has ended"):
        cni_sandboxes.register(pod(), late)
    assert cni_sandboxes.resolve(pod()) == living
    cni_sandboxes.forget("new")
    cni_sandboxes.register(pod(), late)
    assert cni_sandboxes.resolve(pod()) == late


def test_a_del_says_that_a_sandbox_ended_before_the_runtime_does(living: Sandbox) -> None:
    cni_sandboxes = CniSandboxCache(Others("new"))
    cni_sandboxes.register(pod(), living)
    assert [cni_sandboxes.has_ended(container) for container in ("new", "ended")] == [False, True]
    cni_sandboxes.forget("new")
    assert cni_sandboxes.has_ended("new")


def test_a_namespace_that_is_gone_counts_no_longer() -> None:
    cni_sandboxes = CniSandboxCache(Others("old"))
    cni_sandboxes.register(pod(), Sandbox(container_id="new", netns=GONE))
    assert cni_sandboxes.resolve(pod()).container_id == "old"


def test_a_sandbox_that_add_registered_is_awaited_until_its_del(living: Sandbox) -> None:
    """The runtime lists it only when ADD has returned."""
    cni_sandboxes = CniSandboxCache(Others("ended"))
    assert not cni_sandboxes.is_awaited("new")
    cni_sandboxes.register(pod(), living)
    assert cni_sandboxes.is_awaited("new")
    cni_sandboxes.forget("new")
    assert not cni_sandboxes.is_awaited("new")


def test_a_sandbox_whose_namespace_is_gone_is_not_awaited() -> None:
    cni_sandboxes = CniSandboxCache(Others("ended"))
    cni_sandboxes.register(pod(), Sandbox(container_id="new", netns=GONE))
    assert not cni_sandboxes.is_awaited("new")


def test_a_fingerprint_shows_what_was_registered_as_long_as_its_namespace_stands(living: Sandbox) -> None:
    cni_sandboxes = CniSandboxCache(Others("old"))
    cni_sandboxes.register(pod(), living)
    assert cni_sandboxes.fingerprint(pod()) == "new"
    assert cni_sandboxes.fingerprint(pod("u2")) == "old"
    gone = Sandbox(container_id="gone", netns=GONE)
    cni_sandboxes.register(pod(), gone)
    assert (cni_sandboxes.fingerprint(pod()), cni_sandboxes.container_of(pod())) == ("old", "old")
