"""The kinds of objects that secnet reads, and what makes a document one of them."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from secnet.contract import InvalidConfig

from .interface import Object

__all__ = [
    "DEFAULT_NAMESPACE",
    "KINDS",
    "UNUSED_KINDS",
    "KindInfo",
    "ObjectKey",
    "kind_info",
    "normalized",
    "object_key",
]

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindInfo:
    """`plural` and `short` are the names that `kubectl get` takes for it."""

    api_version: str
    namespaced: bool
    plural: str
    short: tuple[str, ...] = ()


KINDS: Mapping[str, KindInfo] = {
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
        "ResourceQuota",
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


def kind_info(kind: object) -> KindInfo:
    """The table's row. Raises InvalidConfig for an unknown kind, with the nearest known one."""
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    by_lower = {known.lower(): known for known in KINDS}
    near = difflib.get_close_matches(str(kind).lower(), by_lower, n=1)
    guess = f"did you mean {by_lower[near[0]]}?" if near else f"use one of {', '.join(KINDS)}"
    raise InvalidConfig(f"the kind {kind!r} is unknown", hint=guess, path="$.kind")


def object_key(kind: str, name: str, namespace: str = "") -> ObjectKey:
    """The key of an object: an empty namespace of a namespaced kind is `default`. Raises InvalidConfig for an unknown kind."""
    return ObjectKey(kind, (namespace or DEFAULT_NAMESPACE) if kind_info(kind).namespaced else "", name)


def normalized(document: Any) -> Object:
    """A copy of a document as an object of a known kind, with its namespace filled in.

    Raises InvalidConfig with the JSON path at fault. Checks what makes it an object, not its spec.
    """
    if not isinstance(document, Mapping):
        raise InvalidConfig(f"expected an object, found {_named(document)}", hint="give kind and metadata", path="$")
    kind = document.get("kind")
    if kind is None:
        raise InvalidConfig("the kind is missing", hint=f"add one of {', '.join(KINDS)}", path="$.kind")
    info = kind_info(kind)
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
    for field in ("labels", "annotations"):
        _check_strings(meta.get(field), f"$.metadata.{field}")
    if obj.get("spec") is not None:
        _mapping(obj["spec"], "$.spec")
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
