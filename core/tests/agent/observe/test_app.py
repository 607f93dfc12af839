"""The WSGI application: fixed paths, GET only."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from secnet.agent.observe._app import Response, make_app


def ask(path: str, method: str = "GET") -> tuple[str, dict[str, str], bytes]:
    """Status line, headers and body of an answer."""
    found: list[Any] = []

    def broken() -> Response:
        raise RuntimeError("a fault")

    app = make_app({"/ok": lambda: Response(body=b"fine"), "/broken": broken})
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
    body = b"".join(app(environ, lambda status, headers, *_: found.extend((status, dict(headers))) or bytes))  # type: ignore[arg-type, func-returns-value, return-value]
    return found[0], found[1], body


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/ok", "GET", HTTPStatus.OK),
        ("/ok", "POST", HTTPStatus.METHOD_NOT_ALLOWED),
        ("/none", "GET", HTTPStatus.NOT_FOUND),
        ("/broken", "GET", HTTPStatus.INTERNAL_SERVER_ERROR),
    ],
)
def test_each_answer_has_its_status_and_its_length(path: str, method: str, status: HTTPStatus) -> None:
    line, headers, body = ask(path, method)
    assert line == f"{status.value} {status.phrase}"
    assert headers["Content-Length"] == str(len(body))
    assert headers.get("Allow") == ("GET" if status is HTTPStatus.METHOD_NOT_ALLOWED else None)


def test_a_path_that_is_none_names_those_that_are() -> None:
    assert ask("/none")[2] == b"there is /broken, /ok\n"
