"""The node configuration: YAML files in layers, checked by schema, with a working default for every key.

See `Layers` for the files, `examine_layers` for the checks, `node_groups` for what differs by node, and `Aliases` for other
places of a driver's keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from secnet.contract import HostContext, InvalidConfig, freeze

from ..model.limits import DEFAULT_LIMITS, Limits
from ..plugins.registry import Registry
from ..text.json_text import json_path
from ._antrea_conf import without_antrea
from ._node_name import node_name
from .examine import examine_layers, make_aliases
from .layers import Layer, Layers, read_layers
from .node_groups import KEY, group_of, group_settings

__all__ = ["CniSettings", "KubernetesSettings", "Settings", "limits_of", "load_settings"]

_RUN_DIR = Path("/run/secnet")
_BIN_DIR = Path("/opt/cni/bin")
_PASS = frozenset({"kube-system"})
_HTTP_LISTEN = "127.0.0.1:9465"

_POD_NAMESPACE = "POD_NAMESPACE"  # of the agent's own Pod

_PathAt = Callable[..., Path | None]
"""What stands at a place of the configuration, absolute: relative ones begin in the folder of the file that gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesSettings:
    """kubeconfig: None for the service account of the agent's Pod. shared_namespaces: None when all are shared."""

    kubeconfig: Path | None = None
    shared_namespaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CniSettings:
    """conf_dir: None when another program chains the plugin into the runtime's configuration.

    program: the compiled plugin; None when another program installs it in `bin_dir`. fail_open_namespaces: includes that
    of the agent itself, whose Pod must never wait for its own agent.
    """

    socket: Path
    program: Path | None = None
    conf_dir: Path | None = None
    bin_dir: Path = _BIN_DIR
    fail_open_namespaces: frozenset[str] = _PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The node configuration with defaults filled in. Times are seconds; directories are absolute.

    kubernetes: how the Kubernetes API is reached; None when manifests are the source.
    cni_conf_dir: where the runtime's CNI configuration is read; None where it is not. multus: see its schema.
    cni: the socket for the CNI plugin; None when Pods are attached as they are seen.
    http_listen: ADDRESS:PORT for metrics and health; None for nowhere.
    drivers, backends: section of each network type and of each IPAM type (`ipam.TYPE` in the file), valid by its fragment
    unless that plugin could not be loaded.
    limits: of what Pods and networks ask for.
    notes: what the files have that has no effect, for the log.
    node_groups: by name, with their selectors; the settings depend on the labels of the Node where there are some.
    node_group: the name of the one whose settings these are; empty without one.
    agent_namespace: that of the agent's own Pod; empty where it runs in none.
    """

    node_name: str
    run_dir: Path = _RUN_DIR
    state_dir: Path = Path("/var/lib/secnet")
    ovsdb: str = "unix:/var/run/openvswitch/db.sock"
    owner_tag: str = "secnet"
    manifests: Path | None = None
    kubernetes: KubernetesSettings | None = None
    cri_socket: Path = Path("/run/containerd/containerd.sock")
    cni_conf_dir: Path | None = None
    multus: str = "auto"
    pod_resources: Path = Path("/var/lib/kubelet/pod-resources/kubelet.sock")
    cni: CniSettings | None = None
    http_listen: str | None = None
    drivers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    backends: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    log_level: str = "info"
    log_format: str = "console"
    workers: int = 8
    attach_timeout: float = 30.0
    check_interval: float = 60.0
    drain_seconds: float = 10.0
    limits: Limits = DEFAULT_LIMITS
    notes: tuple[str, ...] = ()
    node_groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    node_group: str = ""
    agent_namespace: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "drivers", freeze(self.drivers))
        object.__setattr__(self, "backends", freeze(self.backends))
        object.__setattr__(self, "node_groups", freeze(self.node_groups))

    def driver_context(self, network_type: str) -> HostContext:
        """What a driver is built with; its `config` is empty for a type without a section."""
        return self._context(self.drivers.get(network_type, {}))

    def backend_context(self, ipam_type: str) -> HostContext:
        """What an IPAM backend is built with; its `config` is empty for a type without a section."""
        return self._context(self.backends.get(ipam_type, {}))

    def _context(self, section: Mapping[str, Any]) -> HostContext:
        return HostContext(
            node_name=self.node_name,
            run_dir=self.run_dir,
            owner_tag=self.owner_tag,
            ovsdb=self.ovsdb,
            config=section,
            state_dir=self.state_dir,
        )


def load_settings(path: Path | None, registry: Registry, *, labels: Mapping[str, str] | None = None) -> Settings:
    """Read the file and its drop-ins; without one every key has its default. Raises InvalidConfig naming file, path, remedy.

    labels: of this Node, to take what its node group says; None where they are not known, and then no group counts. Raises
    InvalidConfig too when more than one group matches.
    """
    if path is None:
        return _settings({}, lambda *_: None, node_name(None, "node configuration"))
    layers = read_layers(path)
    found = examine_layers(layers, registry)
    for each in (each for each in found if not each.note):
        subject = f"node configuration {each.file}"
        raise InvalidConfig(each.problem.message, hint=each.problem.hint, subject=subject, path=each.problem.path)
    notes = [": ".join(filter(None, (each.file, each.problem.path, each.problem.message))) for each in found]
    aliases = make_aliases(registry)
    files = whole = Layers(layers, aliases)
    name = node_name(whole.data.get("nodeName"), f"node configuration {whole.origin('$.nodeName').file}")
    groups = whole.data.get(KEY, {})
    group = _group(groups, labels, whole, name)
    if group:
        whole = Layers([*layers, Layer(file="", data=group_settings(groups[group]))], aliases)

    def path_at(*place: str) -> Path | None:
        value: Any = whole.data
        for key in place:
            value = (value or {}).get(key)
        file = whole.origin(json_path(place)).file or files.origin(json_path((KEY, group, *place))).file
        return None if value is None else Path(file).absolute().parent / value

    settings = _settings(without_antrea(whole.data), path_at, name)
    drivers = aliases.sections(whole.data)
    return replace(settings, drivers=drivers, notes=tuple(notes), node_groups=groups, node_group=group)


def _group(groups: Mapping[str, Any], labels: Mapping[str, str] | None, whole: Layers, name: str) -> str:
    try:
        return "" if labels is None else group_of(groups, labels)
    except InvalidConfig as exc:
        subject = f"node configuration {whole.origin(exc.path).file}, Node {name}"
        raise InvalidConfig(exc.message, hint=exc.hint, subject=subject, path=exc.path) from exc


def _settings(data: Mapping[str, Any], path_at: _PathAt, name: str) -> Settings:
    """Only the keys that are given; the class holds the defaults."""
    log, workers = data.get("log", {}), data.get("workers", {})
    run_dir = path_at("runDir")
    own = os.environ.get(_POD_NAMESPACE, "")
    given = {
        "run_dir": run_dir,
        "state_dir": path_at("stateDir"),
        "manifests": path_at("manifests"),
        "kubernetes": _kubernetes(data.get("kubernetes"), path_at),
        "cri_socket": path_at("cri", "socket"),
        "cni_conf_dir": path_at("cni", "confDir") or path_at("cri", "cniConfDir"),
        "multus": data.get("multus"),
        "pod_resources": path_at("kubelet", "podResources"),
        "cni": _cni(data.get("cni"), path_at, run_dir or _RUN_DIR, own),
        "http_listen": None if data.get("http") is None else data["http"].get("listen", _HTTP_LISTEN),
        "ovsdb": data.get("ovsdb"),
        "owner_tag": data.get("ownerTag"),
        "log_level": log.get("level"),
        "log_format": log.get("format"),
        "workers": workers.get("count"),
        "attach_timeout": workers.get("attachTimeout"),
        "check_interval": workers.get("checkInterval"),
        "drain_seconds": workers.get("drainSeconds"),
        "limits": limits_of(data),
    }
    return Settings(
        node_name=name,
        agent_namespace=own,
        backends=data.get("ipam") or {},
        **{key: value for key, value in given.items() if value is not None},
    )


def limits_of(data: Mapping[str, Any]) -> Limits:
    """The limits of a valid node configuration."""
    given = data.get("limits") or {}
    fields = {"networks_per_pod": "networksPerPod", "list_items": "listItems", "text_bytes": "textBytes"}
    return Limits(**{field: given[key] for field, key in fields.items() if key in given})


def _kubernetes(data: Mapping[str, Any] | None, path_at: _PathAt) -> KubernetesSettings | None:
    if data is None:
        return None
    shared = data.get("sharedNamespaces")
    return KubernetesSettings(
        kubeconfig=path_at("kubernetes", "kubeconfig"),
        shared_namespaces=None if shared is None else frozenset(shared),
    )


def _cni(data: Mapping[str, Any] | None, path_at: _PathAt, run_dir: Path, own: str) -> CniSettings | None:
    if data is None:
        return None
    return CniSettings(
        socket=path_at("cni", "socket") or run_dir / "cni.sock",
        conf_dir=path_at("cni", "confDir"),
        program=path_at("cni", "program"),
        bin_dir=path_at("cni", "binDir") or _BIN_DIR,
        fail_open_namespaces=frozenset(data.get("failOpenNamespaces", _PASS)) | frozenset(filter(None, [own])),
    )
