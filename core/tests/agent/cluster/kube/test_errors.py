"""The table from HTTP answers and network failures to errors of the contract."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest
import urllib3.exceptions as http
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from secnet.agent.cluster.kube._errors import FOREIGN, Expired, translate_exception, translate_status
from secnet.agent.cluster.kube._requests import PathRequest, Request, Verb
from secnet.contract import (
    Busy,
    Conflict,
    Gone,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    ObjectNotFound,
    SecnetError,
    StoreConflict,
    Timeout,
    Unavailable,
    Unsupported,
)

READ = Request(verb="get", kind="Pod", namespace="default", name="a")


def status(code: int, reason: str = "", message: str = "as the server says", **details: Any) -> bytes:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("code", "cls", "hint"),
    [
        (400, InvalidConfig, "report"),
        (401, Unavailable, "token is valid"),
        (403, MissingPrivilege, 'lacks {apiGroups: [""], resources: ["pods"], verbs: ["get"]}'),
        (405, Unsupported, "deploy/crds"),
        (408, Timeout, "tried again"),
        (409, StoreConflict, "read it again"),
        (410, Unavailable, "tried again"),
        (413, InvalidConfig, "too large"),
        (415, Unsupported, "report"),
        (422, InvalidConfig, "admission"),
        (429, Unavailable, "fewer requests"),
        (500, Unavailable, "log"),
        (502, Unavailable, "before the API server"),
        (503, Unavailable, "overloaded"),
        (504, Timeout, "etcd"),
        (599, Unavailable, "report"),
        (418, InvalidConfig, "report"),
    ],
)
def test_each_status_says_what_to_do(code: int, cls: type[SecnetError], hint: str) -> None:
    error = translate_status(code, status(code), READ)
    assert type(error) is cls
    assert error.message == "as the server says"
    assert error.subject == "Pod default/a"
    assert hint in error.hint


USER = 'User "system:serviceaccount:secnet-system:secnet-agent" cannot create resource "events" in API group ""'
POLICY = "ValidatingAdmissionPolicy 'secnet-agent-events' with binding 'secnet-agent-events'"
TERMINATING = [{"reason": "NamespaceTerminating", "message": "namespace x is being terminated"}]


@pytest.mark.parametrize(
    ("message", "causes", "cls", "hint"),
    [
        (f"events is forbidden: {USER}", [], MissingPrivilege, "tried again once a minute"),
        ("no words that we know", [], MissingPrivilege, 'resources: ["events"], verbs: ["create"]'),
        ("in other words", TERMINATING, Gone, "nothing to do"),
        ("unable to create new content in namespace x because it is being terminated", [], Gone, "nothing to do"),
        ('events "a" is forbidden: exceeded quota: q, requested: count/events=1', [], Busy, "ResourceQuota"),
        ('admission webhook "w.example" denied the request: no', [], InvalidConfig, "admission rule"),
        (f"events is forbidden: {POLICY} denied request: no", [], InvalidConfig, "token that names this node"),
    ],
)
def test_a_403_is_distinguished_from_the_403_of_admission(
    message: str, causes: list[Any], cls: type[SecnetError], hint: str
) -> None:
    """Messages as Kubernetes words them."""
    request = Request(verb="create", kind="Event", namespace="x")
    error = translate_status(403, status(403, "Forbidden", message, causes=causes), request)
    assert (type(error), error.message) == (cls, message)
    assert hint in error.hint


def test_an_object_that_is_missing_and_a_resource_that_is() -> None:
    assert type(translate_status(404, status(404, "NotFound", name="a"), READ)) is ObjectNotFound
    for body in (b"404 page not found\n", status(404, "NotFound")):
        error = translate_status(404, body, Request(verb="list", kind="IPPool"))
        assert type(error) is NotReady  # and not ObjectNotFound, which would mean that a Pod is gone
        assert "ippools of crd.antrea.io/v1beta1" in error.message
        assert "deploy/crds" in error.hint


def test_a_name_that_is_taken() -> None:
    assert type(translate_status(409, status(409, "AlreadyExists"), READ)) is Conflict


def test_a_patch_of_a_successor() -> None:
    causes = [{"field": "metadata.uid", "message": "field is immutable"}]
    assert type(translate_status(422, status(422, "Invalid", causes=causes), READ)) is StoreConflict


@pytest.mark.parametrize(("verb", "cls"), [("list", Expired), ("watch", Expired), ("get", Unavailable)])
def test_a_version_that_is_gone(verb: Verb, cls: type[SecnetError]) -> None:
    name = "a" if verb == "get" else ""
    assert type(translate_status(410, status(410), Request(verb=verb, kind="Pod", name=name))) is cls


def test_a_proxy_that_answers_in_its_own_words() -> None:
    error = translate_status(502, b"<html>bad gateway</html>", READ)
    assert error.message == "the API server answered 502 to get pods"


# What the library raises is made here by hand, because most of it needs a network that is broken in just that way.
POOL: Any = None


@pytest.mark.parametrize(
    ("exc", "cls", "hint"),
    [
        (http.NameResolutionError("api", POOL, OSError("no")), Unavailable, "DNS"),  # type: ignore[arg-type]
        (http.NewConnectionError(POOL, "refused"), Unavailable, "reaches its address"),
        (http.ConnectTimeoutError("slow"), Unavailable, "reaches its address"),
        (http.ReadTimeoutError(POOL, "/", "slow"), Timeout, "overloaded or paused"),
        (http.ProxyError("no", OSError("no")), Unavailable, "NO_PROXY"),
        (http.SSLError("no"), Unavailable, "certificate authority"),
        (http.ProtocolError("cut"), Unavailable, "reaches its address"),
        (http.IncompleteRead(1, 2), Unavailable, "reaches its address"),
        (http.LocationParseError("::"), InvalidConfig, "URL"),
        (http.MaxRetryError(POOL, "/", http.ReadTimeoutError(POOL, "/", "slow")), Timeout, "overloaded or paused"),
        (http.DecodeError("no"), Unavailable, "reaches its address"),
        (ConfigException("no token"), Unavailable, "service account"),
        (ApiException(status=0, reason="SSLError"), Unavailable, "certificate authority"),
        (ConnectionResetError("reset"), Unavailable, "reaches its address"),
        (ssl.SSLError("no"), Unavailable, "reaches its address"),
        (ValueError("Invalid header value"), Unavailable, "kubeconfig"),
    ],
)
def test_each_failure_says_what_to_do(exc: BaseException, cls: type[SecnetError], hint: str) -> None:
    assert isinstance(exc, FOREIGN)
    error = translate_exception(exc, "API server https://api")
    assert type(error) is cls
    assert error.subject == "API server https://api"
    assert hint in error.hint


def test_a_message_is_the_same_each_time() -> None:
    messages = {translate_exception(http.NewConnectionError(object(), "refused"), "").message for _ in range(3)}  # type: ignore[arg-type]
    assert messages == {"refused"}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "a\0b"])
def test_a_name_cannot_become_another_path(name: str) -> None:
    with pytest.raises(ObjectNotFound):
        Request(verb="get", kind="Pod", namespace="default", name=name).path()
    if name:
        with pytest.raises(ObjectNotFound):
            Request(verb="get", kind="Pod", namespace=name, name="a").path()


def test_a_right_that_only_a_policy_makes_small_is_part_of_the_policies() -> None:
    request = PathRequest(verb="patch", kind="Node", where="/api/v1/nodes/a")
    assert "apply deploy/components/policies;" in translate_status(403, status(403, "Forbidden"), request).hint
