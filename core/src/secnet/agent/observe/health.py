"""Whether the agent is alive (`/healthz`) and whether it can do its work (`/readyz`).

Alive: each background thread came round within the time that it gave itself. A Pod that takes for ever is no reason, as the
others do not wait for it. An agent that is not alive is to be killed; its attachments outlive it. Ready is stricter: recovery is
done, the objects' source answers, the per-node state is made, and every plugin returns. An agent that is not ready is left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from ..base.metrics import Metrics
from ._app import Response, Route, make_app

__all__ = ["Heartbeats", "serve_health"]

Reasons = Callable[[], Iterable[str]]

_SCRAPES = 2  # at once: a plugin whose metrics hang must leave workers of the server for the kubelet's probes


class Heartbeats:
    """What threads promise about their next heartbeat. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}

    def beat(self, name: str, within: float) -> None:
        """`name` is alive, and will say so again within so many seconds."""
        with self._lock:
            self._due[name] = self._clock() + within

    def late(self) -> list[str]:
        """One sentence for each that broke its promise."""
        now = self._clock()
        with self._lock:
            return [
                f"{name} is stuck or ended, since {now - due:.0f} s" for name, due in self._due.items() if due < now
            ]


def serve_health(listen: str | None, metrics: Metrics, *, stuck: Reasons, unready: Reasons) -> Callable[[], None]:
    """Serve /metrics, /healthz and /readyz at ADDRESS:PORT; returns what ends it. Nothing is served at None.

    stuck, unready: why the agent is not alive, or not ready; each a sentence. They must not wait for anything.
    """
    if listen is None:
        return metrics.close
    from ._http import HttpServer  # needs the packages of the extra `cluster`, which an agent without HTTP may lack

    routes = {
        "/metrics": _limited(
            lambda: Response(body=metrics.page(), content_type="text/plain; version=0.0.4; charset=utf-8")
        ),
        "/healthz": lambda: _verdict(stuck()),
        "/readyz": lambda: _verdict(unready()),
    }
    server = HttpServer(listen, make_app(routes))

    def close() -> None:
        server.close()
        metrics.close()

    return close


def _limited(route: Route) -> Route:
    places = threading.Semaphore(_SCRAPES)

    def limited() -> Response:
        if not places.acquire(blocking=False):
            return Response(body=b"earlier scrapes are not done yet\n", status=HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            return route()
        finally:
            places.release()

    return limited


def _verdict(reasons: Iterable[str]) -> Response:
    lines = list(reasons)
    if not lines:
        return Response(body=b"ok\n")
    return Response(body="".join(f"{line}\n" for line in lines).encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)
