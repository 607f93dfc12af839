"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler, in a network namespace of their own.

The namespace also holds the two networks of the nodes: the bridge `nodes`, over which they reach the API and each other, and
the bridge `fabric`, which stands for the switch that their secondary networks' uplinks are connected to: a trunk of all VLANs.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from secnet_conformance.netns import new_namespace, remove_namespace, run_in

from ..runtime.daemon import until
from .api import ApiAdmin
from .pki import Pki
from .processes import Daemon

__all__ = ["ADDRESS", "FABRIC", "NODES", "ControlPlane"]

ADDRESS = "10.99.0.1"
NODES, FABRIC = "nodes", "fabric"
_MAC = "02:00:0a:63:00:01"
_SERVICE = "10.96.0.1"  # of the Service `kubernetes`: on the loopback here, as there is no kube-proxy
_ETCD = "http://127.0.0.1:2379"

# What the agents asked for, and how it was answered, can be read afterwards.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts:secnet-system"]},
        {"level": "None"},
    ],
}


class ControlPlane:
    """Made stopped; `start` returns when the API answers.

    folder: holds everything. kube: the program. name: of the network namespace. eviction: seconds until Pods of a node that
    does not report are deleted, after the grace (`node_grace`) in which it may be silent.
    """

    def __init__(self, folder: Path, kube: Path, name: str, *, node_grace: int = 20, eviction: int = 20) -> None:
        self.folder = folder
        self._kube = str(kube)
        self.namespace = new_namespace(name)
        self._starts: list[tuple[datetime, datetime]] = []
        self.logs = folder / "log"
        self.logs.mkdir()
        self.audit_log = self.logs / "audit.log"
        self._network()
        self.pki = Pki(folder / "pki", f"https://{ADDRESS}:443")
        self.kubeconfig = self._certificates()
        self.admin = ApiAdmin(self.kubeconfig, self.namespace)
        self._etcd = self._daemon(
            *("etcd", "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
            *("--listen-client-urls", _ETCD, "--advertise-client-urls", _ETCD),
            *("--listen-peer-urls", "http://127.0.0.1:2380"),
        )
        self.api = self._daemon(self._kube, "apiserver", *self._api_flags(eviction))
        self._controllers = self._daemon(self._kube, "controller-manager", *self._controller_flags(node_grace))
        self._scheduler = self._daemon(
            self._kube, "scheduler", *self._client("scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"
        )

    def start(self) -> None:
        """Start everything."""
        self._etcd.start()
        self.start_api()
        self._controllers.start()
        self._scheduler.start()

    def start_api(self) -> None:
        """Start the API server, first or again, and wait until it is ready."""
        begun = datetime.now(UTC)
        self.api.start()
        until(self._ready, f"the API server is ready; see {self.api.log}", within=120)
        self._starts.append((begun, datetime.now(UTC)))

    def was_starting(self, moment: datetime) -> bool:
        """Whether the API server was not ready then. It answers, and refuses what roles that it has not read yet allow."""
        return any(begun <= moment <= ready for begun, ready in self._starts)

    def stop_api(self) -> None:
        """Take the API away: nodes, controllers and clients see refused connections."""
        self.api.kill()

    def close(self) -> None:
        """End everything and remove the namespace. Nothing is kept, so nothing waits for requests that are under way."""
        for daemon in (self._scheduler, self._controllers, self.api, self._etcd):
            daemon.kill()
        remove_namespace(self.namespace)

    def _ready(self) -> bool:
        assert self.api.running, f"the API server ended; see {self.api.log}"
        return self.admin.answers("/readyz")

    def _network(self) -> None:
        for argv in (
            f"ip address add {_SERVICE}/32 dev lo",
            # Without an address of its own it takes that of a port, and changes it when a node goes: then the other nodes
            # do not reach the API for a minute, until they ask for its address again.
            f"ip link add {NODES} address {_MAC} type bridge",
            f"ip address add {ADDRESS}/24 dev {NODES}",
            f"ip link set {NODES} up",
            f"ip link add {FABRIC} type bridge mcast_snooping 0",
            f"ip link set {FABRIC} up",
            "sysctl -qw net.ipv4.ip_forward=1",
        ):
            run_in(self.namespace, argv.split())

    def _certificates(self) -> Path:
        pki = self.pki
        names = [f"DNS:kubernetes{rest}" for rest in ("", ".default", ".default.svc")]
        addresses = [f"IP:{address}" for address in (_SERVICE, ADDRESS, "127.0.0.1")]
        pki.certificate("apiserver", "/CN=kube-apiserver", [*names, "DNS:localhost", *addresses])
        pki.certificate("apiserver-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet")
        pki.certificate("front-client", "/CN=front-proxy-client", authority="front")
        pki.kubeconfig("controller-manager", "/CN=system:kube-controller-manager")
        pki.kubeconfig("scheduler", "/CN=system:kube-scheduler")
        return pki.kubeconfig("admin", "/O=system:masters/CN=admin")

    def _daemon(self, *argv: str) -> Daemon:
        name = argv[1] if argv[0] == self._kube else argv[0]
        return Daemon(self.logs / f"{name}.log", ["nsenter", f"--net={self.namespace.path}", "--", *argv])

    def _client(self, name: str) -> list[str]:
        kubeconfig = self.pki.file(f"{name}.kubeconfig")
        return [f"--{prefix}kubeconfig={kubeconfig}" for prefix in ("", "authentication-", "authorization-")]

    def _api_flags(self, eviction: int) -> list[str]:
        file = self.pki.file
        policy = self.folder / "audit.json"
        policy.write_text(json.dumps(_AUDIT), encoding="utf-8")
        return [
            f"--etcd-servers={_ETCD}",
            *(f"--advertise-address={ADDRESS}", "--bind-address=0.0.0.0", "--secure-port=443"),
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
            *(f"--client-ca-file={file('ca.crt')}", f"--tls-cert-file={file('apiserver.crt')}"),
            f"--tls-private-key-file={file('apiserver.key')}",
            f"--kubelet-client-certificate={file('apiserver-kubelet.crt')}",
            f"--kubelet-client-key={file('apiserver-kubelet.key')}",
            f"--kubelet-certificate-authority={file('ca.crt')}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-extend-token-expiration=false",  # by default a token of an hour holds for a year
            f"--service-account-key-file={file('sa.pub')}",
            f"--service-account-signing-key-file={file('sa.key')}",
            f"--requestheader-client-ca-file={file('front.crt')}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={file('front-client.crt')}",
            f"--proxy-client-key-file={file('front-client.key')}",
            *("--allow-privileged=true", "--profiling=false"),
            f"--default-not-ready-toleration-seconds={eviction}",
            f"--default-unreachable-toleration-seconds={eviction}",
            *(f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}"),
        ]

    def _controller_flags(self, node_grace: int) -> list[str]:
        file = self.pki.file
        return [
            *self._client("controller-manager"),
            *("--controllers=*", "--leader-elect=false", "--bind-address=127.0.0.1"),
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={file('sa.key')}",
            f"--root-ca-file={file('ca.crt')}",
            f"--cluster-signing-cert-file={file('ca.crt')}",
            f"--cluster-signing-key-file={file('ca.key')}",
            f"--node-monitor-grace-period={node_grace}s",
        ]
