"""A test API server as a process, seen by a test: its admin, its faults, its log. A pytest plugin with the fixture `kubeapi`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from .answers import Object
from .api_server import ADMIN, ApiServer
from .api_server import http_request as _http
from .certificates import Certificates
from .definitions import IPPOOL, NAD

__all__ = ["ADMIN", "KubeApiProcess", "kubeapi", "kubeapi_process"]

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_SUPPORT = Path(__file__).resolve().parents[2]


class KubeApiProcess(ApiServer):
    """One server, running until `stop`. certificates: what it serves HTTPS with; None for plain HTTP."""

    def __init__(
        self,
        *,
        crds: Sequence[Object] = (NAD, IPPOOL),
        bookmarks: float = 60.0,
        certificates: Certificates | None = None,
    ) -> None:
        argv = [sys.executable, "-m", "secnet_testing.kubeapi", "--admin-token", ADMIN, "--bookmarks", str(bookmarks)]
        self.certificate = None
        if certificates is not None:
            self.certificate = certificates.authority
            argv += ["--tls", str(certificates.server), str(certificates.key)]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=_SUPPORT, text=True)
        try:
            ports = json.loads(self._first_line())
            self.port = int(ports["port"])
            self.url = f"{'https' if certificates else 'http'}://127.0.0.1:{self.port}"
            self._control = f"http://127.0.0.1:{ports['control']}"
            for crd in crds:
                self.create(crd)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Its process id, for pausing it."""
        return self._process.pid

    def stop(self) -> None:
        """End it. May be called twice."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def listen_in(self, namespace: str) -> None:
        """Serve at `url` inside a network namespace as well, given by its path: a node sees the API as this host does."""
        _http("POST", f"{self._control}/namespaces", {"namespace": namespace})

    def leave(self, namespace: str) -> None:
        """Serve there no longer, so that the namespace can go."""
        _http("DELETE", f"{self._control}/namespaces", {"namespace": namespace})

    def add_token(self, token: str, rules: Sequence[Mapping[str, Any]] | None) -> str:
        """See `ApiServer.add_token`: the token itself is returned."""
        _http("POST", f"{self._control}/tokens", {"token": token, "rules": rules})
        return token

    def remove_token(self, token: str) -> None:
        """From now on it is answered 401."""
        _http("DELETE", f"{self._control}/tokens", {"token": token})

    def compact(self) -> None:
        """Older resourceVersions are 410 from now on."""
        _http("POST", f"{self._control}/compact")

    def cut_watches(self) -> int:
        """Break the connection of each watch; returns how many there were."""
        return int(_http("POST", f"{self._control}/cut")["cut"])

    def fail(self, **fault: Any) -> None:
        """See `Fault`."""
        _http("POST", f"{self._control}/faults", fault)

    def no_faults(self) -> None:
        """Take back the faults that did not happen yet."""
        _http("DELETE", f"{self._control}/faults")

    def outage(self, on: bool) -> None:
        """Refuse every connection; serve again, with all objects as they were."""
        _http("POST", f"{self._control}/outage", {"on": on})

    def reset(self) -> None:
        """No objects but namespaces and definitions, no faults, no tokens but the administrator's, no log, no watches."""
        self.outage(False)
        _http("POST", f"{self._control}/reset", {"keep": ADMIN})

    def requests(self, token: str = "") -> list[Object]:
        """What was asked since the start or `forget_requests`, of one token if given; see `Asked`."""
        found: list[Object] = _http("GET", f"{self._control}/requests")
        return [item for item in found if not token or item["token"] == token]

    def forget_requests(self) -> None:
        """Begin the log again."""
        _http("DELETE", f"{self._control}/requests")

    @property
    def watches(self) -> int:
        """How many watches there are now."""
        return int(_http("GET", f"{self._control}/watches")["count"])

    def _first_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the test API server ended at its start ({self._process.wait(_START_SECONDS)})"
        return line


@pytest.fixture(scope="session")
def kubeapi_process() -> Iterator[KubeApiProcess]:
    """One server for all tests of this run, with the definitions of our kinds and a bookmark every tenth of a second."""
    server = KubeApiProcess(bookmarks=0.1)
    yield server
    server.stop()


@pytest.fixture
def kubeapi(kubeapi_process: KubeApiProcess) -> Iterator[KubeApiProcess]:
    """The server of this run, empty. A test that pauses it must resume it; one that needs other definitions has its own."""
    yield kubeapi_process
    kubeapi_process.reset()
