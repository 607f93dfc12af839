"""A real API server for the tests that can use one, named by the environment.

KUBECONFIG: that of a cluster made for tests, with an administrator's rights. Objects in the namespaces `default` and `other`,
and IPPools, are made and removed in it; nothing else may be there.
KUBEBUILDER_ASSETS: a directory with the programs `etcd` and `kube-apiserver`, which are started on loopback.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config.kube_config import load_kube_config

from .admin import Admin, Rejected
from .definitions import IPPOOL, NAD

__all__ = ["RealApi", "real_api_is_named"]

_START_SECONDS = 60.0
_HTTP_SECONDS = 30.0
_TOKEN = "sn-admin"


def real_api_is_named() -> bool:
    """Whether the environment names one."""
    return bool(os.environ.get("KUBECONFIG") or os.environ.get("KUBEBUILDER_ASSETS"))


class RealApi(Admin):
    """Raises Rejected or OSError when it cannot be used. The definitions of our kinds are added where they are missing."""

    def __init__(self, folder: Path) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        try:
            named = os.environ.get("KUBECONFIG")
            self.kubeconfig = Path(named) if named else self._start(Path(os.environ["KUBEBUILDER_ASSETS"]))
            configuration = Configuration()
            load_kube_config(  # type: ignore[no-untyped-call]
                str(self.kubeconfig), client_configuration=configuration, persist_config=False
            )
            self._client = ApiClient(configuration)
            self._prepare()
        except BaseException:
            self.stop()
            raise

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """See `Admin.request`."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        self._client.update_params_for_auth(headers, None, ["BearerToken"], path, method, None)
        url = self._client.configuration.host + path
        answer = self._client.rest_client.request(  # type: ignore[no-untyped-call]
            method, url, headers, body, _request_timeout=_HTTP_SECONDS
        )
        text = answer.read()
        found = json.loads(text) if text.startswith(b"{") else {}
        if not 200 <= answer.status < 300:
            raise Rejected(answer.status, found)
        return found

    def stop(self) -> None:
        """End what was started."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait()

    def _prepare(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        for crd in (NAD, IPPOOL):
            with suppress(Rejected):
                self.create(crd)
        paths = ("/apis/k8s.cni.cncf.io/v1/network-attachment-definitions", "/apis/crd.antrea.io/v1beta1/ippools")
        for path in (*paths, "/api/v1/namespaces/default"):
            while True:
                try:
                    self.request("GET", path)
                    break
                except Rejected:
                    assert time.monotonic() < deadline, f"{path} is not served"
                    time.sleep(0.1)

    def _start(self, assets: Path) -> Path:
        peer, client, api = _free_port(), _free_port(), _free_port()
        key, tokens = self._folder / "sa.key", self._folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        tokens.write_text(f"{_TOKEN},sn-admin,sn-admin,system:masters\n")
        etcd = f"http://127.0.0.1:{client}"
        self._run(
            assets / "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
        )
        self._run(
            assets / "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--cert-dir={self._folder / 'certs'}",
            f"--secure-port={api}",
            "--bind-address=127.0.0.1",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://127.0.0.1/",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
        )
        self._wait_for(api)
        path = self._folder / "kubeconfig"
        cluster = {"server": f"https://127.0.0.1:{api}", "insecure-skip-tls-verify": True}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "real", "cluster": cluster}],
            "users": [{"name": "real", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real"}}],
            "current-context": "real",
        }
        path.write_text(json.dumps(content))
        return path

    def _run(self, program: Path, *arguments: str) -> None:
        with (self._folder / f"{program.name}.log").open("wb") as log:
            self._processes.append(subprocess.Popen([str(program), *arguments], stdout=log, stderr=log))

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            assert time.monotonic() < deadline, f"kube-apiserver does not listen; see {self._folder}"
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
