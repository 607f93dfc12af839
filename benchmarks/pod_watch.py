"""When Pods become Ready, as a client of the API sees it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from secnet_testing.kubernetes.cluster import Cluster
from secnet_testing.kubernetes.pods import pod

__all__ = ["ReadyWatch", "ready_watch"]

_COLUMNS = '{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
_MARKER = "marker"
_START_SECONDS = 60.0


class ReadyWatch:
    """The clock's reading (`time.monotonic`) at which each Pod of a namespace was first seen Ready.

    start: starts the watch. The API server ends each one after half an hour to an hour, and then it is started again.
    """

    def __init__(self, start: Callable[[], subprocess.Popen[str]]) -> None:
        self._start = start
        self._closed = False
        self._process = start()
        self._changed = threading.Condition()
        self._seen: set[str] = set()
        self._ready: dict[str, float] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def wait_seen(self, name: str, seconds: float) -> None:
        """Wait until the watch has named a Pod. Raises TimeoutError."""
        self._wait({name}, self._seen, seconds)

    def wait_ready(self, names: Iterable[str], seconds: float) -> dict[str, float]:
        """Wait until Pods are Ready; the reading for each. Raises TimeoutError with those that are not."""
        wanted = set(names)
        self._wait(wanted, self._ready, seconds)
        return {name: self._ready[name] for name in wanted}

    def _wait(self, wanted: set[str], known: dict[str, float] | set[str], seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: wanted <= set(known), seconds)
            missing = wanted - set(known)
        if missing:
            raise TimeoutError(f"not within {seconds:.0f} s: {len(missing)} Pods, among them {min(missing)}")

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._closed = True
            self._process.terminate()

    def _read(self) -> None:
        while True:
            with self._process as process:
                assert process.stdout is not None
                self._take(process.stdout)
            with self._changed:
                if self._closed:
                    return
                self._process = self._start()

    def _take(self, lines: Iterable[str]) -> None:
        for line in lines:
            now = time.monotonic()
            name, _, ready = line.strip().partition(" ")
            with self._changed:
                self._seen.add(name)
                if ready == "True":
                    self._ready.setdefault(name, now)
                self._changed.notify_all()


@contextmanager
def ready_watch(cluster: Cluster, namespace: str) -> Iterator[ReadyWatch]:
    """A watch that stands: it has named a Pod which no scheduler takes, and which stays in the namespace."""
    cluster.apply(pod(_MARKER, schedulingGates=[{"name": "secnet.io/marker"}]), namespace=namespace)
    argv = [str(cluster.kubectl.program), "-n", namespace, "get", "pods", "--watch", "-o", f"jsonpath={_COLUMNS}"]
    watch = ReadyWatch(lambda: subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
    try:
        watch.wait_seen(_MARKER, _START_SECONDS)
        yield watch
    finally:
        watch.close()
