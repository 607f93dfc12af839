"""The node configuration: one YAML file, checked by schema, with a working default for every key.

`drivers.TYPE` belongs to the driver of that type and is checked by its own schema fragment, as `ipam.TYPE` by that of the
backend. A driver may declare other places for keys of its section: see `Aliases`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from secnet.contract import HostContext, InvalidConfig, freeze, load_fragment

from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry
from ..text.documents import parse_yaml
from ..text.json_text import json_path, nearest, show, suggest
from ..text.schema import Problem, Validator
from ._antrea_conf import ANTREA_KEYS, antrea_notes, without_antrea
from ._node_name import node_name
from .aliases import Aliases

__all__ = [
    "CniSettings",
    "KubernetesSettings",
    "Settings",
    "examine_settings",
    "load_settings",
    "node_schema",
    "settings_keys",
    "settings_notes",
]

_RUN_DIR = Path("/run/secnet")
_BIN_DIR = Path("/opt/cni/bin")
_PASS = frozenset({"kube-system"})
_HTTP_LISTEN = "127.0.0.1:9465"

_CORE = load_fragment("secnet.agent.config", "node.json")
_POD_NAMESPACE = "POD_NAMESPACE"  # of the agent's own Pod


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
    notes: what the file has that has no effect, for the log.
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
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "drivers", freeze(self.drivers))
        object.__setattr__(self, "backends", freeze(self.backends))

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


def load_settings(path: Path | None, registry: Registry) -> Settings:
    """Read the file; without one every key has its default. Raises InvalidConfig naming file, path and remedy."""
    if path is None:
        return _settings({}, Path.cwd(), node_name(None, "node configuration"))
    data = _read(path)
    problems = examine_settings(data, registry)
    if problems:
        first = problems[0]
        raise InvalidConfig(first.message, hint=first.hint, subject=f"node configuration {path}", path=first.path)
    notes = [": ".join(part for part in (note.path, note.message) if part) for note in settings_notes(data, registry)]
    name = node_name(data.get("nodeName"), f"node configuration {path}")
    aliases = Aliases(registry, _CORE)
    settings = _settings(without_antrea(_without_empty(data)), path.absolute().parent, name)
    return replace(settings, drivers=aliases.sections(data), notes=tuple(notes))


def settings_notes(data: Mapping[str, Any], registry: Registry) -> list[Problem]:
    """What a valid node configuration has that has no effect: worth knowing, nothing to correct."""
    data = _without_empty(data)
    return [*antrea_notes(data), *_unclaimed_notes(data, registry)]


def settings_keys(registry: Registry) -> frozenset[str]:
    """The keys at the top of a node configuration, with those that are accepted because Antrea's file has them."""
    return frozenset(node_schema(registry)["properties"]) | ANTREA_KEYS


def node_schema(registry: Registry) -> Mapping[str, Any]:
    """The schema of the file: the core's keys, and those that the installed drivers have declared as aliases."""
    return Aliases(registry, _CORE).schema()


def examine_settings(data: Any, registry: Registry) -> list[Problem]:
    """Everything wrong with a node configuration, the most telling first."""
    aliases = Aliases(registry, _CORE)
    schema, hints = aliases.schema(), {}
    if isinstance(data, Mapping):
        data = without_antrea(_without_empty(data))
        unclaimed = _unclaimed(data, registry)
        hints = dict.fromkeys(unclaimed, "remove it, or install the distribution of the driver that takes it")
        if _has_broken_driver(registry):
            data = {key: value for key, value in data.items() if key not in unclaimed}
    problems = Validator(schema, "node configuration", checked=True).problems(data, hints=hints)
    if problems:
        return problems
    return [
        *_source_problems(data),
        *aliases.problems(data),
        *_driver_problems(data, registry, aliases),
        *_backend_problems(data, registry),
    ]


def _read(path: Path) -> Mapping[str, Any]:
    subject = f"node configuration {path}"
    try:
        documents = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as exc:
        hint = "name a readable file, or leave --config out to take the defaults"
        raise InvalidConfig(f"cannot be read: {exc.strerror}", hint=hint, subject=subject) from exc
    except UnicodeDecodeError as exc:
        raise InvalidConfig(f"is not UTF-8: {exc.reason}", hint="save it as UTF-8", subject=subject) from exc
    except InvalidConfig as exc:
        raise InvalidConfig(exc.message, hint=exc.hint, subject=subject, path=exc.path) from exc
    if not documents:
        return {}
    if len(documents) > 1:
        message, hint = f"a second document begins in line {documents[1].line}", "keep one document in the file"
        raise InvalidConfig(message, hint=hint, subject=subject)
    data = documents[0].value
    if not isinstance(data, dict):
        message = f"{show(data)} where keys and values are required"
        raise InvalidConfig(
            message, hint="write keys and values, such as `nodeName: worker-1`", subject=subject, path="$"
        )
    return data


def _without_empty(data: Mapping[str, Any]) -> dict[str, Any]:
    """A section whose every line is commented out reads as null: the same as no section."""
    return {key: value for key, value in data.items() if value is not None}


def _source_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    if data.get("kubernetes") is not None and data.get("manifests") is not None:
        message = "objects come either from manifests or from the Kubernetes API"
        yield Problem(path="$.manifests", message=message, hint="remove manifests, or the section kubernetes")


def _unclaimed(data: Mapping[str, Any], registry: Registry) -> list[str]:
    """Keys at the top that are no slip of a known one: a driver that is not usable here may take them."""
    known = settings_keys(registry)
    return [key for key in data if key not in known and nearest(key, known - ANTREA_KEYS) is None]


def _has_broken_driver(registry: Registry) -> bool:
    return any(problem.group == DRIVERS_GROUP for problem in registry.problems)


def _unclaimed_notes(data: Mapping[str, Any], registry: Registry) -> Iterator[Problem]:
    for key in _unclaimed(data, registry) if _has_broken_driver(registry) else ():
        message = "it has no effect now: no driver that can be loaded takes it"
        yield Problem(path=json_path((key,)), message=message, hint="see `secnet drivers` for those that cannot")


def _driver_problems(data: Mapping[str, Any], registry: Registry, aliases: Aliases) -> Iterator[Problem]:
    for network_type, section in aliases.sections(data).items():
        plugin = registry.drivers.get(network_type)
        if plugin is not None and plugin.node is not None:
            prefix = ("drivers", network_type)
            for problem in plugin.node.problems(section, prefix=prefix):
                yield aliases.where_written(problem, data)
        elif registry.problem(DRIVERS_GROUP, network_type) is None:
            # A driver that is installed but broken is reported elsewhere and must not keep the agent from starting.
            install = "remove the section, or install the distribution that provides the type"
            yield Problem(
                path=json_path(("drivers", network_type)),
                message=f"no driver for network type {network_type!r} is installed",
                hint=f"{install}; {suggest(network_type, [*registry.drivers])}",
            )


def _backend_problems(data: Mapping[str, Any], registry: Registry) -> Iterator[Problem]:
    for ipam_type, section in (data.get("ipam") or {}).items():
        plugin = registry.backends.get(ipam_type)
        if plugin is not None and plugin.node is not None:
            yield from plugin.node.problems(section, prefix=("ipam", ipam_type))
        elif registry.problem(BACKENDS_GROUP, ipam_type) is None:
            install = "remove the section, or install the distribution that provides the type"
            yield Problem(
                path=json_path(("ipam", ipam_type)),
                message=f"no IPAM backend for the type {ipam_type!r} is installed",
                hint=f"{install}; {suggest(ipam_type, [*registry.backends])}",
            )


def _settings(data: Mapping[str, Any], folder: Path, name: str) -> Settings:
    """Only the keys that are given; the class holds the defaults."""
    log, workers, cri = data.get("log", {}), data.get("workers", {}), data.get("cri", {})
    run_dir = _directory(data.get("runDir"), folder) or _RUN_DIR
    given = {
        "run_dir": _directory(data.get("runDir"), folder),
        "state_dir": _directory(data.get("stateDir"), folder),
        "manifests": _directory(data.get("manifests"), folder),
        "kubernetes": _kubernetes(data.get("kubernetes"), folder),
        "cri_socket": _directory(cri.get("socket"), folder),
        "cni_conf_dir": _directory((data.get("cni") or {}).get("confDir") or cri.get("cniConfDir"), folder),
        "multus": data.get("multus"),
        "pod_resources": _directory(data.get("kubelet", {}).get("podResources"), folder),
        "cni": _cni(data.get("cni"), folder, run_dir),
        "http_listen": None if data.get("http") is None else data["http"].get("listen", _HTTP_LISTEN),
        "ovsdb": data.get("ovsdb"),
        "owner_tag": data.get("ownerTag"),
        "log_level": log.get("level"),
        "log_format": log.get("format"),
        "workers": workers.get("count"),
        "attach_timeout": workers.get("attachTimeout"),
        "check_interval": workers.get("checkInterval"),
        "drain_seconds": workers.get("drainSeconds"),
    }
    return Settings(
        node_name=name,
        backends=data.get("ipam") or {},
        **{key: value for key, value in given.items() if value is not None},
    )


def _kubernetes(data: Mapping[str, Any] | None, folder: Path) -> KubernetesSettings | None:
    if data is None:
        return None
    shared = data.get("sharedNamespaces")
    return KubernetesSettings(
        kubeconfig=_directory(data.get("kubeconfig"), folder),
        shared_namespaces=None if shared is None else frozenset(shared),
    )


def _cni(data: Mapping[str, Any] | None, folder: Path, run_dir: Path) -> CniSettings | None:
    if data is None:
        return None
    own = frozenset(filter(None, [os.environ.get(_POD_NAMESPACE)]))
    return CniSettings(
        socket=_directory(data.get("socket"), folder) or run_dir / "cni.sock",
        conf_dir=_directory(data.get("confDir"), folder),
        program=_directory(data.get("program"), folder),
        bin_dir=folder / data.get("binDir", _BIN_DIR),
        fail_open_namespaces=frozenset(data.get("failOpenNamespaces", _PASS)) | own,
    )


def _directory(text: str | None, folder: Path) -> Path | None:
    return None if text is None else folder / text
