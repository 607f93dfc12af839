"""What is wrong between the agent and the API server, until it is right again."""

from __future__ import annotations

from secnet.agent.cluster.kube._api_health import ApiHealth
from secnet.agent.cluster.kube._requests import Request
from secnet.contract import MissingPrivilege, NotReady, Unavailable

LIST, GET = Request(verb="list", kind="Pod"), Request(verb="get", kind="IPPool", name="p")


def test_unreachable_until_there_is_any_answer() -> None:
    now = [0.0]
    health = ApiHealth("https://api", lambda: now[0])
    health.unreachable(Unavailable("connection refused"))
    now[0] = 60.0
    health.unreachable(Unavailable("connection refused"))
    assert "cannot be reached since 1970-01-01T00:00:00Z: connection refused" in health.unreached()
    health.answered()
    assert (health.unreached(), health.current()) == ("", ())


def test_a_refused_request_until_one_of_its_kind_succeeds() -> None:
    health = ApiHealth("https://api", lambda: 0.0)
    health.refused(LIST, MissingPrivilege("no rights"))
    health.refused(GET, NotReady("no such resource"))
    assert [(item.source, item.message) for item in health.current()] == [
        ("list pods", "is forbidden: no rights"),
        ("get ippools", "fails: no such resource"),
    ]
    assert health.unreached() == ""
    health.succeeded(Request(verb="list", kind="Pod", namespace="other"))
    assert [item.source for item in health.current()] == ["get ippools"]


def test_a_resource_that_is_not_defined_until_any_request_for_it_succeeds() -> None:
    health = ApiHealth("https://api", lambda: 0.0)
    health.refused(LIST, MissingPrivilege("no rights"))
    assert health.unknown() == ""
    health.refused(GET, NotReady("no such resource", hint="apply deploy/crds"))
    assert "no such resource" in health.unknown()
    assert "apply deploy/crds" in health.unknown()
    health.succeeded(Request(verb="list", kind="IPPool"))
    assert health.unknown() == ""
    assert [item.source for item in health.current()] == ["list pods"]
