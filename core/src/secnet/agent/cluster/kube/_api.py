"""Requests to the API server with timeouts, errors of the contract, and a count of each."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import urllib3.exceptions as http
from kubernetes.client.rest import RESTResponse

from secnet.contract import MissingPrivilege, NotReady, ObjectNotFound, SecnetError, Unavailable

from ..interface import Object
from ._api_health import ApiHealth
from ._credentials import Credentials
from ._errors import FOREIGN, Expired, translate_exception, translate_status
from ._requests import Request
from ._transport import Transport

__all__ = ["Api", "OnCall", "Timeouts"]

_log = logging.getLogger(__name__)

OnCall = Callable[[str, str, int, float], None]
"""Called for each request: verb of RBAC, kind, HTTP status (0 without an answer), seconds until the answer began."""

Timeouts = tuple[float, float]
"""Seconds to connect, and between two bytes of the answer."""

Item = TypeVar("Item")

_PAGE = 500
_LIST_RESTARTS = 3
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


class Api:
    """What several clients of one API server share; each has a `Transport` of its own. Thread-safe.

    One method call is one request, except: a list is one for each 500 objects; a read whose kept connection broke
    is sent again once; so is anything that was answered 401, after the credentials were read again.
    """

    def __init__(self, credentials: Credentials, health: ApiHealth, on_call: OnCall | None, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self.timeouts = timeouts
        self._health = health
        self._on_call = on_call

    def transport(self) -> Transport:
        """A new one, to be closed by the caller."""
        return Transport(self.credentials.configuration)

    def call(self, transport: Transport, request: Request) -> Object:
        """The object in the answer. Raises what `errors` makes of everything else."""
        answer = self.open(transport, request)
        try:
            obj = json.loads(answer.read())  # type: ignore[no-untyped-call]
        except FOREIGN as exc:
            raise self._no_answer(transport, exc) from exc
        if not isinstance(obj, dict):
            raise Unavailable("the answer is no object", hint="see what stands before it", subject=self.server)
        return obj

    def open(self, transport: Transport, request: Request) -> RESTResponse:
        """The answer with its body still to come; only a success is returned."""
        answer = self._exchange(transport, request)
        if answer.status == 401 and self._reload():
            answer.read()  # type: ignore[no-untyped-call]
            answer = self._exchange(transport, request)
        if 200 <= answer.status < 300:
            self._health.succeeded(request)
            return answer
        try:
            body = answer.read()  # type: ignore[no-untyped-call]
        except FOREIGN as exc:
            raise self._no_answer(transport, exc) from exc
        error = translate_status(answer.status, body, request)
        if isinstance(error, MissingPrivilege) or (
            isinstance(error, NotReady) and not isinstance(error, ObjectNotFound)
        ):
            self._health.refused(request, error)
        raise error

    def list_pages(self, transport: Transport, request: Request) -> tuple[list[Object], str]:
        """All objects, and the resourceVersion of the list. Starts again when it changes too fast to be paged through."""
        # The API server leaves out of the items of a list what the list says for all.
        kind = {"apiVersion": request.info.api_version, "kind": request.kind}
        return self._collected(transport, request, lambda item: {**kind, **item})

    def list_names(self, transport: Transport, request: Request) -> frozenset[tuple[str, str]]:
        """Namespace and name of all objects; of each page no more is kept."""
        names, _ = self._collected(transport, dataclasses.replace(request, accept=_METADATA), _name_of)
        return frozenset(names)

    @property
    def server(self) -> str:
        """The API server, for messages."""
        return f"API server {self.credentials.server}"

    def answered(self) -> None:
        """A watch said something: whatever failed a moment ago, the API server is there."""
        self._health.answered()

    def unreached(self) -> str:
        """Why no request gets an answer now; empty while they do."""
        return self._health.unreached()

    def lines(self, answer: RESTResponse) -> Iterator[bytes]:
        """The lines of a body as they come. Silence longer than allowed ends it like the server's own end does."""
        rest = b""
        try:
            for part in answer.response.stream(65536):
                *whole, rest = (rest + part).split(b"\n")
                yield from (line for line in whole if line.strip())
        except http.ReadTimeoutError:
            return
        except FOREIGN as exc:
            raise translate_exception(exc, self.server) from exc

    def _collected(
        self, transport: Transport, request: Request, take: Callable[[Object], Item]
    ) -> tuple[list[Item], str]:
        for _ in range(_LIST_RESTARTS):
            try:
                return self._pages(transport, request, take)
            except Expired:
                _log.debug("listing %s took longer than the API server keeps a list", request.resource)
        message = f"{request.resource} change faster than they can be listed"
        raise Unavailable(message, hint="it is tried again", subject=self.server)

    def _pages(self, transport: Transport, request: Request, take: Callable[[Object], Item]) -> tuple[list[Item], str]:
        found: list[Item] = []
        query = {**request.query, "limit": str(_PAGE)}
        while True:
            page = self.call(transport, dataclasses.replace(request, verb="list", query=query))
            found.extend(map(take, page["items"] or ()))
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                return found, str(meta.get("resourceVersion", ""))
            query["continue"] = meta["continue"]

    def _exchange(self, transport: Transport, request: Request) -> RESTResponse:
        try:
            return self._send(transport, request)
        except http.ProtocolError as exc:
            if request.method != "GET":
                raise self._no_answer(transport, exc) from exc
        except FOREIGN as exc:
            raise self._no_answer(transport, exc) from exc
        try:
            return self._send(transport, request)
        except FOREIGN as exc:
            raise self._no_answer(transport, exc) from exc

    def _send(self, transport: Transport, request: Request) -> RESTResponse:
        began, status = time.monotonic(), 0
        try:
            answer = transport.send(request, self.timeouts)
            status = answer.status
        finally:
            if self._on_call is not None:
                self._on_call(request.verb, request.kind, status, time.monotonic() - began)
        self._health.answered()
        return answer

    def _no_answer(self, transport: Transport, exc: BaseException) -> SecnetError:
        error = translate_exception(exc, self.server)
        if not transport.closed:
            self._health.unreachable(error)
        return error

    def _reload(self) -> bool:
        try:
            self.credentials.reload()
        except Exception as exc:  # whatever a loader or its helper program raises: the old credentials stay in force
            _log.warning("the credentials for the API server cannot be read again: %s", exc)
            return False
        return True


def _name_of(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return (meta.get("namespace", ""), meta["name"])
