"""The official client with a hold on its sockets, so that a thread that waits for an answer can be woken."""

from __future__ import annotations

import socket
import ssl
import threading
import weakref
from functools import partial
from typing import Any

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.rest import RESTResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from ._requests import Request

__all__ = ["Transport"]


class _Connections:
    """The connections of one transport, each from the moment it is connected. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self.closed = False

    def note(self, connection: HTTPConnection) -> None:
        """It is connected. Raises ConnectionAbortedError once `shut` was called."""
        with self._lock:
            self._open.add(connection)
            closed = self.closed
        if closed:
            connection.close()
            raise _closed_error()

    def sockets(self) -> list[socket.socket]:
        """The sockets of those that are connected now."""
        with self._lock:
            return [sock for connection in self._open if (sock := connection.sock) is not None]

    def shut(self) -> None:
        """End what is connected, and whatever connects later."""
        with self._lock:
            self.closed = True
        for sock in self.sockets():
            try:
                # Not the method of a TLS socket: that one forgets the session under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself


class _HttpConnection(HTTPConnection):
    def __init__(self, noted: _Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._noted = noted

    def connect(self) -> None:
        super().connect()
        self._noted.note(self)


class _HttpsConnection(HTTPSConnection):
    """Checks chain, dates and names of the server's certificate, and not the form of its authority's.

    Python 3.13 checks that form too. Many API servers have an authority without keyUsage or key identifiers: of EKS, MicroK8s,
    older GKE. No client in Go refuses those.
    """

    def __init__(self, noted: _Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._noted = noted

    def connect(self) -> None:
        # A context for each connection: it has the authorities that are in the files by then, and no older ones.
        self.ssl_context = create_urllib3_context(cert_reqs=resolve_cert_reqs(self.cert_reqs))
        self.ssl_context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not (self.ca_certs or self.ca_cert_data):
            self.ssl_context.load_default_certs()  # urllib3 does so only for a context that it made itself
        super().connect()
        self._noted.note(self)


class _HttpPool(HTTPConnectionPool):
    def __init__(self, noted: _Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = partial(_HttpConnection, noted)  # type: ignore[assignment]


class _HttpsPool(HTTPSConnectionPool):
    def __init__(self, noted: _Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = partial(_HttpsConnection, noted)  # type: ignore[assignment]


class Transport:
    """Sends requests with bodies of plain dicts; the typed models of the client are never loaded. Thread-safe.

    Connections are kept open and used again. What sending raises is in `errors.FOREIGN`.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._client = ApiClient(configuration)
        self._client.user_agent = "secnet-agent"
        self._connections = _Connections()
        self._client.rest_client.pool_manager.pool_classes_by_scheme = {
            "http": partial(_HttpPool, self._connections),  # type: ignore[dict-item]  # a maker will do
            "https": partial(_HttpsPool, self._connections),  # type: ignore[dict-item]
        }

    def send(self, request: Request, timeout: tuple[float, float]) -> RESTResponse:
        """The answer, its body not read yet, whatever its status. timeout: seconds to connect, and between two bytes."""
        if self.closed:
            raise _closed_error()
        headers = {"Accept": request.accept, "User-Agent": self._client.user_agent}
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
        return self._connections.closed

    def allow_silence(self, seconds: float) -> None:
        """From now on, answers under way may pause this long."""
        for sock in self._connections.sockets():
            sock.settimeout(seconds)

    def close(self) -> None:
        """Wake every thread that waits for an answer with an error, and start no further request. May be called twice."""
        self._connections.shut()
        self._client.close()  # type: ignore[no-untyped-call]


def _closed_error() -> ConnectionAbortedError:
    return ConnectionAbortedError("the client was closed")
