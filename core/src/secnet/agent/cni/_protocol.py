"""A CNI call, from environment and stdin to checked data (CNI specification 1.1, sections 2 and 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from secnet.contract import PodRef, freeze

from ..model.sandbox import LONGEST_CONTAINER_ID, is_container_id
from ..text.json_text import JsonProblem, read_json, show
from ._errors import BAD_CONFIG, BAD_ENVIRONMENT, BAD_VERSION, UNDECODABLE, InvalidCniCall
from ._runtime_config import parse_runtime_config
from ._wire import RawCall
from .interface import RuntimeConfig

__all__ = ["CHAINED_TYPE", "SINGLE_TYPE", "SUPPORTED_VERSIONS", "CniCall", "Command", "parse_call", "version_of"]

SUPPORTED_VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CHAINED_TYPE = "secnet-cni"
SINGLE_TYPE = "secnet"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_IFNAME = re.compile(r"[^/:\s\0]{1,15}")
_ARGS = ("IgnoreUnknown", "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID", "K8S_POD_INFRA_CONTAINER_ID")
_TRUE = ("1", "t", "T", "true", "True", "TRUE", "on")
_VALID_ATTACHMENTS = "cni.dev/valid-attachments"
_ADDED_BY_RUNTIMES = ("prevResult", "runtimeConfig", "capabilities", "deviceID", "pciBusID", "failOpenNamespaces")


class Command(StrEnum):
    """What the runtime wants."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


_NEEDED: Mapping[Command, tuple[str, ...]] = {
    Command.ADD: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    Command.CHECK: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    Command.DEL: ("CNI_CONTAINERID", "CNI_IFNAME"),  # the namespace may be gone
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CniCall:
    """One call, checked.

    container_id, netns, ifname: empty where the command does without. pod: from CNI_ARGS; None when it names no Pod.
    network, plugin_type: `name` and `type` of the configuration. conf: the configuration without what runtimes add.
    valid_attachments: (container id, interface name) that GC must keep; None when the call has no such list.
    """

    command: Command
    cni_version: str
    network: str = ""
    plugin_type: str = ""
    container_id: str = ""
    netns: str = ""
    ifname: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    conf: Mapping[str, Any] = field(default_factory=dict)
    prev_result: Mapping[str, Any] | None = None
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    fail_open_namespaces: frozenset[str] = frozenset()
    valid_attachments: frozenset[tuple[str, str]] | None = None

    def __post_init__(self) -> None:
        for name in ("args", "conf", "prev_result"):
            object.__setattr__(self, name, freeze(getattr(self, name)))

    @property
    def pod(self) -> PodRef | None:
        """The Pod that the sandbox is for."""
        namespace, name = self.args.get("K8S_POD_NAMESPACE"), self.args.get("K8S_POD_NAME")
        if not namespace or not name:
            return None
        return PodRef(namespace=namespace, name=name, uid=self.args.get("K8S_POD_UID", ""))


def parse_call(raw: RawCall) -> CniCall:
    """The call. Raises InvalidCniCall with the code of the specification: 4, 6, 7 or 1."""
    variables = _variables(raw)
    command = _command(variables)
    if command is Command.VERSION:
        return CniCall(command=command, cni_version=version_of(raw.stdin))
    conf = _conf(raw.stdin)
    _check_head(conf)
    _check_variables(command, variables)
    # What is to be undone needs little of all that, and must not fail because of the rest.
    strict = command in (Command.ADD, Command.CHECK)
    return CniCall(
        command=command,
        cni_version=conf["cniVersion"],
        network=conf["name"],
        plugin_type=conf["type"],
        container_id=variables.get("CNI_CONTAINERID", ""),
        netns=variables.get("CNI_NETNS", ""),
        ifname=variables.get("CNI_IFNAME", ""),
        args=_args(variables.get("CNI_ARGS", ""), strict),
        path=tuple(part for part in variables.get("CNI_PATH", "").split(":") if part),
        conf=_own(conf),
        prev_result=_prev_result(conf) if strict else None,
        runtime=parse_runtime_config(conf) if strict else RuntimeConfig(),
        fail_open_namespaces=_fail_open_namespaces(conf),
        valid_attachments=_valid_attachments(conf) if command is Command.GC else None,
    )


def version_of(stdin: bytes) -> str:
    """The version to answer in: that of the request, or the newest when the request has none that can be read."""
    try:
        version = read_json(stdin.decode()).get("cniVersion")
    except (JsonProblem, UnicodeDecodeError, AttributeError):
        version = None
    return version if isinstance(version, str) else SUPPORTED_VERSIONS[-1]


def _variables(raw: RawCall) -> dict[str, str]:
    found = {}
    for item in raw.environment:
        name, _, value = item.partition(b"=")
        try:
            found[name.decode()] = value.decode()
        except UnicodeDecodeError as exc:
            shown = name.decode(errors="replace")
            raise InvalidCniCall(BAD_ENVIRONMENT, f"the variable {shown} is not UTF-8") from exc
    return found


def _command(variables: Mapping[str, str]) -> Command:
    try:
        return Command(variables.get("CNI_COMMAND", ""))
    except ValueError as exc:
        known = ", ".join(Command)
        message = f"CNI_COMMAND is {show(variables.get('CNI_COMMAND', ''))}, which is none of {known}"
        raise InvalidCniCall(BAD_ENVIRONMENT, message) from exc


def _check_variables(command: Command, variables: Mapping[str, str]) -> None:
    needed = _NEEDED.get(command, ())
    missing = [name for name in needed if not variables.get(name)]
    if missing:
        raise InvalidCniCall(BAD_ENVIRONMENT, f"{command} needs the variables {', '.join(missing)}")
    if "CNI_CONTAINERID" in needed and not _NAME.fullmatch(variables["CNI_CONTAINERID"]):
        raise InvalidCniCall(
            BAD_ENVIRONMENT, f"CNI_CONTAINERID is {show(variables['CNI_CONTAINERID'])}: no container id"
        )
    # Of one that is too long nothing can be there to be removed.
    if command in (Command.ADD, Command.CHECK) and not is_container_id(variables["CNI_CONTAINERID"]):
        message = f"CNI_CONTAINERID has more than {LONGEST_CONTAINER_ID} characters"
        raise InvalidCniCall(BAD_ENVIRONMENT, message, "runtimes give ids of 64 characters")
    ifname = variables.get("CNI_IFNAME", "")
    if "CNI_IFNAME" in needed and (not _IFNAME.fullmatch(ifname) or ifname in (".", "..")):
        raise InvalidCniCall(BAD_ENVIRONMENT, f"CNI_IFNAME is {show(ifname)}: no interface name")
    netns = variables.get("CNI_NETNS", "")
    if "CNI_NETNS" in needed and not netns.startswith("/"):
        raise InvalidCniCall(BAD_ENVIRONMENT, f"CNI_NETNS is {show(netns)}: no absolute path")


def _conf(stdin: bytes) -> dict[str, Any]:
    try:
        conf = read_json(stdin.decode())
    except (JsonProblem, UnicodeDecodeError) as exc:
        raise InvalidCniCall(UNDECODABLE, f"the configuration on stdin is not JSON: {exc}") from exc
    if not isinstance(conf, dict):
        raise InvalidCniCall(UNDECODABLE, f"the configuration on stdin is {show(conf)}, not an object")
    return conf


def _check_head(conf: Mapping[str, Any]) -> None:
    version = conf.get("cniVersion")
    if version not in SUPPORTED_VERSIONS:
        raise InvalidCniCall(
            BAD_VERSION,
            f"cniVersion is {show(version)}; supported are {', '.join(SUPPORTED_VERSIONS)}",
            "write one of these into the network's configuration",
        )
    name = conf.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidCniCall(BAD_CONFIG, f"name is {show(name)}, which is no network name")
    if conf.get("type") not in (CHAINED_TYPE, SINGLE_TYPE):
        raise InvalidCniCall(BAD_CONFIG, f"type is {show(conf.get('type'))}, not {CHAINED_TYPE} or {SINGLE_TYPE}")


def _args(text: str, strict: bool) -> dict[str, str]:
    """CNI_ARGS: `KEY=VALUE;...` in any order. strict: also reject what is not read here, unless IgnoreUnknown is set."""
    found = {}
    for pair in filter(None, text.split(";")):
        key, equals, value = pair.partition("=")
        if strict and not pair.isprintable():
            raise InvalidCniCall(BAD_ENVIRONMENT, f"CNI_ARGS has {show(pair)}, in which a control character stands")
        if equals:
            found[key] = value
        elif strict:
            raise InvalidCniCall(BAD_ENVIRONMENT, f"CNI_ARGS has {show(pair)}, which is not KEY=VALUE")
    unknown = [key for key in found if key not in _ARGS]
    if strict and unknown and found.get("IgnoreUnknown") not in _TRUE:
        message = f"CNI_ARGS has {', '.join(unknown)}, which nothing here reads"
        raise InvalidCniCall(BAD_ENVIRONMENT, message, "leave it out, or add IgnoreUnknown=1")
    return found


def _own(conf: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of `args` without `cni`, which is the annotation's, stays: its author is unknown."""
    own = {
        key: value for key, value in conf.items() if key not in _ADDED_BY_RUNTIMES and not key.startswith("cni.dev/")
    }
    args = own.get("args")
    if isinstance(args, dict) and set(args) <= {"cni"} and isinstance(args.get("cni", {}), dict):
        del own["args"]
    return own


def _prev_result(conf: Mapping[str, Any]) -> Mapping[str, Any] | None:
    given = conf.get("prevResult")
    if given is not None and not isinstance(given, dict):
        raise InvalidCniCall(BAD_CONFIG, f"prevResult is {show(given)}, not an object")
    return given


def _fail_open_namespaces(conf: Mapping[str, Any]) -> frozenset[str]:
    given = conf.get("failOpenNamespaces", ["kube-system"])
    return frozenset(item for item in given if isinstance(item, str)) if isinstance(given, list) else frozenset()


def _valid_attachments(conf: Mapping[str, Any]) -> frozenset[tuple[str, str]] | None:
    """What GC keeps. A list that is not understood is refused: read as shorter than it is, it would end living Pods."""
    given = conf.get(_VALID_ATTACHMENTS)
    if given is None:
        return None
    pairs = [
        (item.get("containerID"), item.get("ifname")) if isinstance(item, dict) else (None, None)
        for item in (given if isinstance(given, list) else [None])
    ]
    if not all(isinstance(cid, str) and cid and isinstance(ifname, str) and ifname for cid, ifname in pairs):
        message = f"{_VALID_ATTACHMENTS} is {show(given)}, not a list of objects with containerID and ifname"
        raise InvalidCniCall(BAD_CONFIG, message)
    return frozenset((str(cid), str(ifname)) for cid, ifname in pairs)
