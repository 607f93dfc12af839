"""A client of the part of the Kubernetes API that a kubelet uses: the Pods of one node. HTTP by the standard library."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .kubeapi.admin import Rejected

__all__ = ["PodClient"]

_MERGE = "application/merge-patch+json"
_TIMEOUT_SECONDS = 10.0


class PodClient:
    """Reads and writes Pods. Thread-safe. Raises Rejected, and OSError or HTTPException without an answer.

    url: where the server is, such as `http://127.0.0.1:8080`. token: the bearer token, if any. context: how an https server
    is trusted.
    """

    def __init__(self, url: str, token: str = "", *, context: ssl.SSLContext | None = None) -> None:
        self._url = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._context = context
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._closed = False

    def close(self) -> None:
        """End a running watch. No other may be begun."""
        with self._lock:
            self._closed = True
            if self._watched is not None:
                try:
                    self._watched.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side was quicker
                    return

    def list(self, node: str) -> tuple[list[dict[str, Any]], str]:
        """The Pods of a node, and the resourceVersion from which a watch goes on."""
        answer = self._ask("GET", f"/api/v1/pods?{_of_node(node)}")
        return answer["items"], answer["metadata"]["resourceVersion"]

    def get(self, namespace: str, name: str) -> dict[str, Any]:
        """A Pod as it is now."""
        return self._ask("GET", _path(namespace, name))

    def patch_status(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
        """Change the status of a Pod, 409 unless it is still as read; the Pod as it is then. Lists are replaced."""
        meta = pod["metadata"]
        body = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": status}
        return self._ask("PATCH", f"{_path(meta['namespace'], meta['name'])}/status", body, _MERGE)

    def delete(self, pod: Mapping[str, Any]) -> None:
        """Remove a Pod whose processes have ended, if it is still this one."""
        meta = pod["metadata"]
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": meta["uid"]},
        }
        self._ask("DELETE", f"{_path(meta['namespace'], meta['name'])}?gracePeriodSeconds=0", options)

    def watch(self, node: str, version: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Type and object of each change of a node's Pods after `version`, until the server or `close` ends it."""
        options = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        with closing(self._connect(timeout=None)) as connection:
            connection.request("GET", f"/api/v1/pods?{_of_node(node)}&{urlencode(options)}", headers=self._headers)
            with self._lock:
                if self._closed:
                    return
                self._watched = connection.sock
            try:
                response = connection.getresponse()
                if response.status != 200:
                    raise _rejected(response.status, response.read().decode(errors="replace"))
                for line in response:
                    event = json.loads(line)
                    yield event["type"], event["object"]
            finally:
                with self._lock:
                    self._watched = None

    def _ask(self, verb: str, path: str, body: Any = None, kind: str = "application/json") -> dict[str, Any]:
        headers = {**self._headers, **({"Content-Type": kind} if body is not None else {})}
        with closing(self._connect(timeout=_TIMEOUT_SECONDS)) as connection:
            connection.request(verb, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        if response.status >= 300:
            raise _rejected(response.status, text)
        content: dict[str, Any] = json.loads(text)
        return content

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        assert self._url.hostname is not None
        if self._url.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._url.hostname, self._url.port, timeout=timeout, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=timeout)
        connection.connect()
        return connection


def _rejected(status: int, text: str) -> Rejected:
    return Rejected(status, json.loads(text) if text.startswith("{") else {"message": text})


def _of_node(node: str) -> str:
    return urlencode({"fieldSelector": f"spec.nodeName={node}"})


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"
