"""What the API server's answers, and the failures to get one, mean in the language of the contract."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import urllib3.exceptions as http
from kubernetes.client.exceptions import OpenApiException
from kubernetes.config.config_exception import ConfigException

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

from ._requests import Request
from .rbac import POLICED_RULES, rule_text

__all__ = ["FOREIGN", "Expired", "translate_exception", "translate_status"]


class Expired(Exception):
    """The resourceVersion or the page asked for is too old: list again. Never leaves this package, so no `SecnetError`."""


_AGAIN = "it is tried again"
_REPORT = "this is a mistake in secnet: report it with this message"

_STATUS: Mapping[int, tuple[type[SecnetError], str]] = {
    400: (InvalidConfig, _REPORT),
    # A token may be about to rotate and an API server may just be starting: not a reason to give up.
    401: (Unavailable, "check that the service account, or the user of the kubeconfig, exists and its token is valid"),
    404: (ObjectNotFound, "create it, or correct the name"),
    405: (Unsupported, "check that the custom resource's definition is the one in deploy/crds"),
    408: (Timeout, _AGAIN),
    409: (StoreConflict, "read it again and repeat the change"),
    410: (Unavailable, _AGAIN),
    413: (InvalidConfig, "the object would become too large: take something out of it"),
    415: (Unsupported, _REPORT),
    422: (InvalidConfig, "correct the object; an admission rule of the cluster may have refused it"),
    429: (Unavailable, f"the API server asks for fewer requests; {_AGAIN}"),
    500: (Unavailable, f"see the API server's log; {_AGAIN}"),
    502: (Unavailable, f"check what stands before the API server; {_AGAIN}"),
    503: (Unavailable, f"the API server is starting or overloaded; {_AGAIN}"),
    504: (Timeout, f"the API server or its etcd is too slow; {_AGAIN}"),
}

_FORBIDDEN: tuple[tuple[str, str, type[SecnetError], str], ...] = (
    # The reason of a cause, or words of the message: 403 is also what admission answers, which no rule of RBAC changes.
    ("NamespaceTerminating", "because it is being terminated", Gone, "the namespace is being deleted: nothing to do"),
    ("", "exceeded quota", Busy, f"raise the namespace's ResourceQuota, or free some of it; {_AGAIN}"),
    ("", "denied the request", InvalidConfig, "an admission rule of the cluster refuses it: exempt the agent from it"),
    # Of a ValidatingAdmissionPolicy, which may be ours.
    (
        "",
        "denied request",
        InvalidConfig,
        "an admission policy refuses it: secnet's own want a token that names this node",
    ),
)

_REACH = "check that the API server runs and that this node reaches its address"
_CREDENTIALS = "check the kubeconfig, or the service account mounted in the agent's Pod"
_EXCEPTIONS: tuple[tuple[type[BaseException], type[SecnetError], str], ...] = (
    # The first that fits counts: a derived class stands before its base.
    (http.NameResolutionError, Unavailable, "check the host name of the API server and this node's DNS"),
    (http.NewConnectionError, Unavailable, _REACH),
    (http.ConnectTimeoutError, Unavailable, _REACH),
    (http.ReadTimeoutError, Timeout, "check that the API server is not overloaded or paused"),
    (http.ProxyError, Unavailable, "check HTTPS_PROXY and NO_PROXY of the agent"),
    (http.SSLError, Unavailable, "check that the certificate authority given to the agent signed the server's"),
    (http.ProtocolError, Unavailable, _REACH),
    (http.LocationValueError, InvalidConfig, "correct the server's URL in the kubeconfig"),
    (http.HTTPError, Unavailable, _REACH),
    (ConfigException, Unavailable, _CREDENTIALS),
    # The client wraps failures of TLS in this, and nothing else that we meet.
    (OpenApiException, Unavailable, "check that the certificate authority given to the agent signed the server's"),
    (OSError, Unavailable, _REACH),
    (ValueError, Unavailable, _CREDENTIALS),  # a token that cannot stand in a header; an answer cut short
)

# A connection or a pool of them, by the name of its class; what the client puts before an error of TLS.
_CLIENT_OBJECT = re.compile(r"^(?:\w+\(host=[^)]*\): |\(0\) Reason: SSLError )")

FOREIGN = tuple(foreign for foreign, _, _ in _EXCEPTIONS)
"""All that sending a request may raise."""


def translate_exception(exc: BaseException, server: str) -> SecnetError:
    """The error of the contract for a request that got no answer."""
    if isinstance(exc, http.MaxRetryError) and exc.reason is not None:
        exc = exc.reason
    for foreign, error, hint in _EXCEPTIONS:
        if isinstance(exc, foreign):
            return error(_words(exc), hint=hint, subject=server)
    return Unavailable(_words(exc), hint=_REACH, subject=server)


def translate_status(status: int, body: bytes, request: Request) -> SecnetError | Expired:
    """The error of the contract for an answer that is not a success, or Expired for a list or watch that must start again."""
    answer = _status_object(body)
    message = str(answer.get("message") or f"the API server answered {status} to {request.verb} {request.resource}")
    subject = request.subject
    details = answer.get("details")
    details = details if isinstance(details, dict) else {}
    if status == 404 and not details.get("name"):
        return _unknown_resource(request)
    if status == 403:
        return _forbidden(message, details, request)
    if status == 409 and answer.get("reason") == "AlreadyExists":
        return Conflict(message, hint="choose another name", subject=subject)
    if status == 422 and _is_about_uid(details):
        # A patch with the uid of an object that was created again under its name.
        return StoreConflict(
            "it was deleted and created again since it was read", hint="read it again", subject=subject
        )
    if status == 410 and request.verb in ("list", "watch"):
        return Expired(message)
    error, hint = _STATUS.get(status, (Unavailable if status >= 500 else InvalidConfig, _REPORT))
    return error(message, hint=hint, subject=subject)


def _unknown_resource(request: Request) -> SecnetError:
    info = request.info
    return NotReady(
        f"the API server does not know the resource {info.plural} of {info.api_version}",
        hint="apply deploy/crds, or check which version of the custom resource's definition is served",
        subject=request.subject,
    )


def _forbidden(message: str, details: Mapping[str, Any], request: Request) -> SecnetError:
    reasons = {cause.get("reason") for cause in _causes(details)}
    for reason, words, error, hint in _FORBIDDEN:
        if reason in reasons or words in message:
            return error(message, hint=hint, subject=request.subject)
    rule = rule_text(request.group, request.resource, request.verb)
    policed = any(request.resource in item["resources"] and request.verb in item["verbs"] for item in POLICED_RULES)
    where = "deploy/components/policies" if policed else "the RBAC manifests of deploy/"
    hint = f"the agent's ClusterRole lacks {rule}: apply {where}; it is tried again once a minute"
    return MissingPrivilege(message, hint=hint, subject=request.subject)


def _is_about_uid(details: Mapping[str, Any]) -> bool:
    return any(cause.get("field") == "metadata.uid" for cause in _causes(details))


def _causes(details: Mapping[str, Any]) -> list[dict[str, Any]]:
    causes = details.get("causes")
    return [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []


def _status_object(body: bytes) -> dict[str, Any]:
    """The `Status` that an API server sends with a refusal; a proxy before it, or a 404 of an unknown path, sends text."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}


def _words(exc: BaseException) -> str:
    """The exception in one line, without the objects of the client that its text names: the caller names the server."""
    if isinstance(exc, http.ProtocolError) and len(exc.args) == 2:
        what, cause = exc.args
        return f"{str(what).rstrip('.')}: {' '.join(str(cause).split()) or type(cause).__name__}"
    text = " ".join(str(exc).split())
    text = text.split("object at 0x")[-1].partition(">: ")[2] or text
    return _CLIENT_OBJECT.sub("", text) or type(exc).__name__
