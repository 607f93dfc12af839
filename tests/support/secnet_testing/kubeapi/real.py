"""A real API server, alone with its etcd in a network namespace: what the double is compared with. A pytest plugin."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.needs import requires_command, requires_root
from secnet_conformance.netns import Namespace, entered, new_namespace, remove_namespace

from ..kubernetes.binaries import kube
from ..kubernetes.processes import Daemon
from .admin import Rejected
from .answers import Object
from .api_server import ADMIN, ApiServer
from .certificates import certificates
from .definitions import IPPOOL, NAD

__all__ = ["RealApi", "real_api", "real_api_process"]

_START_SECONDS = 120.0
_ETCD = "http://127.0.0.1:2379"
_PORT = 6443
_RBAC = "rbac.authorization.k8s.io"
_OURS = "sn-token-"
_KINDS = (
    "/api/v1/pods",
    "/api/v1/nodes",
    "/api/v1/events",
    "/apis/resource.k8s.io/v1/resourceslices",
    "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions",
    "/apis/crd.antrea.io/v1beta1/ippools",
)


class RealApi(ApiServer):
    """Runs until `stop`; the caller is in `namespace` while it talks to it. Our kinds have definitions that accept everything.

    Authorization is RBAC. No other part of a control plane runs: nothing schedules, nothing collects garbage.
    """

    def __init__(self, folder: Path, namespace: Namespace, kube: Path) -> None:
        self._kube = kube
        self.namespace = namespace
        self.url = f"https://127.0.0.1:{_PORT}"
        self.certificate = certificates(folder).authority
        self._folder = folder
        self._daemons: list[Daemon] = []
        try:
            self._start()
            self._until(lambda: self.get(_named("v1", "Namespace", "default")))
            for crd in (NAD, IPPOOL):
                self.create(crd)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both programs."""
        for daemon in reversed(self._daemons):
            daemon.stop()

    def create(self, obj: Object) -> Object:
        """See `Admin.create`; a definition is served when this returns."""
        made = super().create(obj)
        if obj["kind"] == "CustomResourceDefinition":
            self._until(lambda: self.request("GET", _defined(obj)))
        return made

    def delete(self, obj: Object, *, grace: int = 0) -> Object:
        """See `Admin.delete`; a definition is served no longer when this returns."""
        gone = super().delete(obj, grace=grace)
        if obj["kind"] == "CustomResourceDefinition":
            self._until(lambda: self._is_gone(_defined(obj)))
        return gone

    def add_token(self, token: str, rules: Sequence[Mapping[str, Any]] | None) -> str:
        """See `ApiServer.add_token`: the token of a service account of this name."""
        name = f"{_OURS}{token}"
        anything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        account = _named("v1", "ServiceAccount", name, "default")
        self.create(account)
        self.create(_named(f"{_RBAC}/v1", "ClusterRole", name) | {"rules": anything if rules is None else list(rules)})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
        role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
        self.create(
            _named(f"{_RBAC}/v1", "ClusterRoleBinding", name) | {"roleRef": role, "subjects": [subject]},
        )
        self._until_bound(name, (rules or anything)[0])
        path = f"/api/v1/namespaces/default/serviceaccounts/{name}/token"
        made = self.request("POST", path, {"spec": {"expirationSeconds": 3600}})
        return str(made["status"]["token"])

    def compact(self) -> None:
        """See `ApiServer.compact`."""
        revision = json.loads(_etcdctl("put", "sn", "", "-w", "json"))["header"]["revision"]
        _etcdctl("compact", str(revision))

    def reset(self) -> None:
        """See `ApiServer.reset`."""
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        ours = {NAD["metadata"]["name"], IPPOOL["metadata"]["name"]}
        for path in (
            *_KINDS,
            f"/apis/{_RBAC}/v1/clusterrolebindings",
            f"/apis/{_RBAC}/v1/clusterroles",
            "/api/v1/serviceaccounts",
        ):
            for item in self.items(path):
                if path in _KINDS or item["metadata"]["name"].startswith(_OURS):
                    self._remove(path, item["metadata"])
        for item in self.items(definitions):
            if item["metadata"]["name"] not in ours:
                self._remove(definitions, item["metadata"])

    def _remove(self, path: str, meta: Object) -> None:
        if meta.get("namespace"):
            root, _, plural = path.rpartition("/")
            path = f"{root}/namespaces/{meta['namespace']}/{plural}"
        path = f"{path}/{meta['name']}"
        with suppress(Rejected):
            if meta.get("finalizers") and "customresourcedefinitions" not in path:
                self.request("PATCH", path, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
            self.request("DELETE", path, {"gracePeriodSeconds": 0})
        self._until(lambda: self._is_gone(path))

    def _is_gone(self, path: str) -> bool:
        try:
            self.request("GET", path)
        except Rejected as exc:
            return exc.status == 404
        return False

    def _until_bound(self, name: str, rule: Mapping[str, Any]) -> None:
        """The authorizer sees a new binding a little later than its creator does."""
        resource, _, subresource = rule["resources"][0].partition("/")
        attributes = {"verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": resource}
        attributes |= {"subresource": subresource, "name": (rule.get("resourceNames") or [""])[0]}
        body = {"spec": {"user": f"system:serviceaccount:default:{name}", "resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        self._until(lambda: self.request("POST", path, body)["status"]["allowed"])

    def _until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError, Rejected):
                if condition():
                    return
            for daemon in self._daemons:
                assert daemon.running, f"it ended; see {daemon.log}"
            assert time.monotonic() < deadline, f"the API server does not do what it should; see {self._folder}"
            time.sleep(0.1)

    def _start(self) -> None:
        key, tokens = self._folder / "sa.key", self._folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        tokens.write_text(f"{ADMIN},sn-admin,sn-admin,system:masters\n")
        self._run(
            "etcd",
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        )
        self._run(
            "apiserver",
            str(self._kube),
            "apiserver",
            f"--etcd-servers={_ETCD}",
            f"--tls-cert-file={self.certificate}",
            f"--tls-private-key-file={self._folder / 'server.key'}",
            f"--secure-port={_PORT}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://127.0.0.1/",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--profiling=false",
            # Later pages come from etcd, which forgets at once; from a snapshot they would be served for another minute.
            "--feature-gates=ListFromCacheSnapshot=false",
        )

    def _run(self, name: str, *argv: str) -> None:
        daemon = Daemon(self._folder / f"{name}.log", ["nsenter", f"--net={self.namespace.path}", "--", *argv])
        daemon.start()
        self._daemons.append(daemon)


def _etcdctl(*argv: str) -> bytes:
    environment = {**os.environ, "ETCDCTL_API": "3"}
    argv = ("etcdctl", f"--endpoints={_ETCD}", *argv)
    return subprocess.run(argv, env=environment, check=True, capture_output=True).stdout


def _defined(crd: Object) -> str:
    """Where the objects of a definition are."""
    spec = crd["spec"]
    return f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"


def _named(version: str, kind: str, name: str, namespace: str = "") -> Object:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": meta}


@pytest.fixture(scope="session")
def real_api_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One server for all tests of this run."""
    requires_root()
    for command in ("etcd", "etcdctl", "openssl"):
        requires_command(command)
    namespace = new_namespace()
    try:
        with entered(namespace):
            api = RealApi(tmp_path_factory.mktemp("real-api"), namespace, kube())
        try:
            yield api
        finally:
            api.stop()
    finally:
        remove_namespace(namespace)


@pytest.fixture
def real_api(real_api_process: RealApi) -> Iterator[RealApi]:
    """The server of this run, empty. The test, each thread and each program that it starts are in its namespace."""
    with entered(real_api_process.namespace):
        yield real_api_process
        real_api_process.reset()
