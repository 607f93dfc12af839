"""A Kubernetes API of a few fixed answers, over real HTTP, and a reader of it for `secnet doctor`."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from secnet.contract import MissingPrivilege, ObjectNotFound, SecnetError, Unavailable

__all__ = ["ApiDouble", "HttpReader", "serve_api"]


@dataclass
class ApiDouble:
    """objects: answer by path; a number is an HTTP status. denied: `verb resource[/subresource]` that a review denies.

    url: where it listens. posted: paths that were posted to.
    """

    objects: dict[str, Any] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    url: str = ""
    posted: list[str] = field(default_factory=list)

    @property
    def reader(self) -> HttpReader:
        """A reader of this API."""
        return HttpReader(self.url)

    def review(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a SelfSubjectAccessReview."""
        asked = body["spec"]["resourceAttributes"]
        resource = "/".join(asked[key] for key in ("resource", "subresource") if key in asked)
        return {**body, "status": {"allowed": f"{asked['verb']} {resource}" not in self.denied}}


class HttpReader:
    """`secnet.agent.doctor.ApiReader` over the standard library."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> dict[str, Any]:
        """See ApiReader."""
        return self._ask(urllib.request.Request(self._url + path))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """See ApiReader."""
        data = json.dumps(body).encode()
        return self._ask(urllib.request.Request(self._url + path, data=data, method="POST"))

    def close(self) -> None:
        """See ApiReader. It keeps no connection."""

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as exc:
            exc.close()
            errors: dict[int, type[SecnetError]] = {403: MissingPrivilege, 404: ObjectNotFound}
            raise errors.get(exc.code, Unavailable)(f"HTTP status {exc.code}") from exc
        except OSError as exc:
            raise Unavailable(f"the API server does not answer: {exc}") from exc


@contextmanager
def serve_api() -> Iterator[ApiDouble]:
    """An API on a port of the loopback, empty at first."""
    double = ApiDouble()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = double.objects.get(self.path, 404)
            self._answer(found if isinstance(found, int) else 200, found)

        def do_POST(self) -> None:
            double.posted.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(201, double.review(body))

        def _answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
