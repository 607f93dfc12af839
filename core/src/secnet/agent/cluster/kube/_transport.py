"""The official client with a hold on its sockets, so that whoever waits for an answer can be woken."""

from __future__ import annotations

import socket
import threading
import weakref
from typing import Any

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.rest import RESTResponse

from ._requests import Request

__all__ = ["Transport"]


class Transport:
    """Sends requests with bodies of plain dicts; the typed models of the client are never loaded. Thread-safe.

    Connections are kept open and used again. What sending raises is in `errors.FOREIGN`.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._client = ApiClient(configuration)
        self._client.user_agent = "secnet-agent"
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False
        self._track()

    def send(self, request: Request, timeout: tuple[float, float]) -> RESTResponse:
        """The answer, its body not read yet, whatever its status. timeout: seconds to connect, and between two bytes."""
        if self._closed:
            raise _closed_error()
        headers = {"Accept": "application/json", "User-Agent": self._client.user_agent}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        path = request.path()
        self._client.update_params_for_auth(headers, None, ["BearerToken"], path, request.method, None)
        return self._client.rest_client.request(  # type: ignore[no-any-return, no-untyped-call]
            request.method,
            self._client.configuration.host + path,
            headers=headers,
            body=request.body,
            _request_timeout=timeout,
        )

    @property
    def closed(self) -> bool:
        """Whether it was closed: then a failure says nothing about the API server."""
        return self._closed

    def allow_silence(self, seconds: float) -> None:
        """From now on, answers under way may pause this long."""
        for sock in self._sockets():
            sock.settimeout(seconds)

    def close(self) -> None:
        """Wake whoever waits for an answer with an error, and let nobody begin anew. May be called twice."""
        with self._lock:
            self._closed = True
        for sock in self._sockets():
            try:
                # Not the method of a TLS socket: that one forgets the session under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself
        self._client.close()  # type: ignore[no-untyped-call]

    def _sockets(self) -> list[socket.socket]:
        with self._lock:
            return [sock for connection in self._open if (sock := connection.sock) is not None]

    def _track(self) -> None:
        """Have each connection that is ever made remembered."""
        manager: Any = self._client.rest_client.pool_manager
        manager.pool_classes_by_scheme = {
            scheme: type("TrackedPool", (pool,), {"ConnectionCls": self._tracked(pool.ConnectionCls)})
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _tracked(self, base: Any) -> Any:
        transport = self

        class Tracked(base):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                with transport._lock:
                    transport._open.add(self)
                    closed = transport._closed
                if closed:
                    self.close()
                    raise _closed_error()

        return Tracked


def _closed_error() -> ConnectionAbortedError:
    return ConnectionAbortedError("the client was closed")
