"""The kinds of objects that secnet reads, and what makes a document one of them."""

from __future__ import annotations

import copy
import difflib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from secnet.contract import InvalidConfig, ObjectKind

from ..text.schema import Validator
from .interface import Object

__all__ = [
    "DEFAULT_NAMESPACE",
    "KINDS",
    "UNUSED_KINDS",
    "KindInfo",
    "Kinds",
    "ObjectKey",
    "check_object_name",
    "kind_info",
    "normalized",
    "object_key",
    "with_plugins",
]

DEFAULT_NAMESPACE = "default"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindInfo:
    """`plural` and `short` are the names that `kubectl get` takes for it. schema: of a whole object; None checks nothing."""

    api_version: str
    namespaced: bool
    plural: str
    short: tuple[str, ...] = ()
    schema: Validator | None = field(default=None, compare=False, repr=False)

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


Kinds = Mapping[str, KindInfo]

KINDS: Kinds = {
    "Pod": KindInfo(api_version="v1", namespaced=True, plural="pods", short=("po",)),
    "NetworkAttachmentDefinition": KindInfo(
        api_version="k8s.cni.cncf.io/v1",
        namespaced=True,
        plural="network-attachment-definitions",
        short=("net-attach-def", "net-attach-defs", "nad", "nads"),
    ),
    "IPPool": KindInfo(api_version="crd.antrea.io/v1beta1", namespaced=False, plural="ippools", short=("ipp",)),
}

# Common neighbours of our kinds in a directory of manifests. A kind in neither table is more likely a spelling mistake.
UNUSED_KINDS = frozenset(
    {
        "AntreaNodeConfig",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CronJob",
        "CustomResourceDefinition",
        "DaemonSet",
        "Deployment",
        "DeviceClass",
        "Endpoints",
        "EndpointSlice",
        "Event",
        "HorizontalPodAutoscaler",
        "Ingress",
        "IngressClass",
        "Job",
        "LimitRange",
        "MutatingWebhookConfiguration",
        "Namespace",
        "NetworkPolicy",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PriorityClass",
        "ReplicaSet",
        "ReplicationController",
        "ResourceClaim",
        "ResourceClaimTemplate",
        "ResourceQuota",
        "ResourceSlice",
        "Role",
        "RoleBinding",
        "RuntimeClass",
        "Secret",
        "Service",
        "ServiceAccount",
        "StatefulSet",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)

# Kubernetes API, "Object Names and IDs": DNS-1123 label and subdomain. `\Z`, because `$` would allow a line feed.
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(rf"{_LABEL}\Z")
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_MAX_NAMESPACE, _MAX_NAME = 63, 253


class ObjectKey(NamedTuple):
    """Which object; `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def with_plugins(kinds: Iterable[ObjectKind]) -> Kinds:
    """The core's kinds, and those that plugins bring. Of two that differ under one name the first counts; that is logged."""
    table = dict(KINDS)
    for kind in kinds:
        schema = None if kind.schema is None else Validator(kind.schema, f"kind {kind.kind}")
        info = KindInfo(
            api_version=kind.api_version,
            namespaced=kind.namespaced,
            plural=kind.plural,
            short=kind.short_names,
            schema=schema,
        )
        known = table.setdefault(kind.kind, info)
        if (known.api_version, known.namespaced, known.plural) != (info.api_version, info.namespaced, info.plural):
            _log.error(
                "a plugin's kind %s of %s is not that of %s: it is left out",
                kind.kind,
                info.api_version,
                known.api_version,
            )
    return table


def kind_info(kind: object, kinds: Kinds = KINDS) -> KindInfo:
    """The table's row. Raises InvalidConfig for an unknown kind, with the nearest known one."""
    if isinstance(kind, str) and kind in kinds:
        return kinds[kind]
    by_lower = {known.lower(): known for known in kinds}
    near = difflib.get_close_matches(str(kind).lower(), by_lower, n=1)
    guess = f"did you mean {by_lower[near[0]]}?" if near else f"use one of {', '.join(kinds)}"
    raise InvalidConfig(f"the kind {kind!r} is unknown", hint=guess, path="$.kind")


def object_key(kind: str, name: str, namespace: str = "", kinds: Kinds = KINDS) -> ObjectKey:
    """The key of an object: an empty namespace of a namespaced kind is `default`. Raises InvalidConfig for an unknown kind."""
    return ObjectKey(kind, (namespace or DEFAULT_NAMESPACE) if kind_info(kind, kinds).namespaced else "", name)


def check_object_name(name: str) -> None:
    """Raises InvalidConfig for a name that no object can have."""
    _check_name(name, "$.metadata.name", _NAME, _MAX_NAME)


def normalized(document: Any, kinds: Kinds = KINDS) -> Object:
    """A copy of a document as an object of a known kind, with its namespace filled in.

    Raises InvalidConfig with the JSON path at fault. Checks what makes it an object, and its spec only by the schema of its
    kind.
    """
    if not isinstance(document, Mapping):
        raise InvalidConfig(f"expected an object, found {_named(document)}", hint="give kind and metadata", path="$")
    kind = document.get("kind")
    if kind is None:
        raise InvalidConfig("the kind is missing", hint=f"add one of {', '.join(kinds)}", path="$.kind")
    info = kind_info(kind, kinds)
    if document.get("apiVersion") != info.api_version:
        raise InvalidConfig(
            f"the apiVersion {document.get('apiVersion')!r} is not that of a {kind}",
            hint=f"write apiVersion: {info.api_version}",
            path="$.apiVersion",
        )
    obj = copy.deepcopy(dict(document))
    meta = obj["metadata"] = _mapping(obj.get("metadata"), "$.metadata")
    _check_name(meta.get("name"), "$.metadata.name", _NAME, _MAX_NAME)
    _set_namespace(meta, kind, info)
    for key in ("labels", "annotations"):
        _check_strings(meta.get(key), f"$.metadata.{key}")
    if obj.get("spec") is not None:
        _mapping(obj["spec"], "$.spec")
    if info.schema is not None and (problems := info.schema.problems(obj)):
        raise InvalidConfig(problems[0].message, hint=problems[0].hint, path=problems[0].path)
    return obj


def _set_namespace(meta: Object, kind: str, info: KindInfo) -> None:
    if info.namespaced:
        if meta.get("namespace") in (None, ""):
            meta["namespace"] = DEFAULT_NAMESPACE
        _check_name(meta["namespace"], "$.metadata.namespace", _NAMESPACE, _MAX_NAMESPACE)
    elif meta.pop("namespace", None):
        raise InvalidConfig(
            f"objects of kind {kind} have no namespace", hint="take it away", path="$.metadata.namespace"
        )


def _mapping(value: Any, path: str) -> Object:
    if value is None:
        raise InvalidConfig("this is missing", hint="add it", path=path)
    if not isinstance(value, dict):
        raise InvalidConfig(f"expected an object, found {_named(value)}", hint="write it as key: value", path=path)
    return value


def _check_name(value: Any, path: str, pattern: re.Pattern[str], longest: int) -> None:
    if value is None or value == "":
        raise InvalidConfig("this is missing", hint="give a name (generateName is not supported)", path=path)
    if not isinstance(value, str):
        raise InvalidConfig(f"expected a string, found {_named(value)}", hint="put it in quotes", path=path)
    if len(value) > longest or not pattern.match(value):
        raise InvalidConfig(
            f"{value[:longest]!r} is not a valid name",
            hint=f"use lower-case letters, digits and '-'{' and .' if pattern is _NAME else ''}, at most {longest} characters",
            path=path,
        )


def _check_strings(value: Any, path: str) -> None:
    if value is None:
        return
    for key, item in _mapping(value, path).items():
        if not isinstance(item, str):
            raise InvalidConfig(
                f"expected a string, found {_named(item)}", hint="put the value in quotes", path=f"{path}[{key!r}]"
            )


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
