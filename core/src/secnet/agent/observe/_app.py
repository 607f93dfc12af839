"""What the agent serves over HTTP, as a WSGI application: a few fixed paths, GET only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Response", "Route", "make_app"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """status: of HTTP. body: the whole answer."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Response]


def make_app(routes: Mapping[str, Route]) -> WSGIApplication:
    """Each path is answered by its route, whatever the query says. A route that raises is answered with 500 and logged."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = _answer(routes, environ["REQUEST_METHOD"], environ["PATH_INFO"])
        headers = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
        if response.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET"))
        start_response(f"{response.status.value} {response.status.phrase}", headers)
        return [response.body]

    return app


def _answer(routes: Mapping[str, Route], method: str, path: str) -> Response:
    route = routes.get(path)
    if route is None:
        known = ", ".join(sorted(routes))
        return Response(status=HTTPStatus.NOT_FOUND, body=f"there is {known}\n".encode())
    if method != "GET":
        return Response(status=HTTPStatus.METHOD_NOT_ALLOWED, body=b"GET only\n")
    try:
        return route()
    except Exception:
        _log.exception("%s failed by a fault of the agent itself", path)
        return Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, body=b"see the agent's log\n")
