"""The Kubernetes API: this node, our kinds as they are installed, and what the agent may do. Reads and reviews only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from secnet.contract import MissingPrivilege, ObjectNotFound, SecnetError

from ..preflight.own_node import boot_of
from ..state.run_dir import current_boot_id
from ._base import ApiReader, Host, Result, fail, ok, warn

__all__ = ["FIELDS", "check_access", "check_api", "check_kinds"]

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_NADS = "network-attachment-definitions.k8s.cni.cncf.io"
_POOLS = "ippools.crd.antrea.io"


# CRD -> version, whether its status is a subresource, and each field that we read or write. The API server drops the others.
FIELDS: Mapping[str, tuple[str, bool, tuple[str, ...]]] = {
    _NADS: ("v1", False, ("spec.config",)),
    _POOLS: (
        "v1beta1",
        True,
        (
            "spec.ipRanges[].cidr",
            "spec.ipRanges[].start",
            "spec.ipRanges[].end",
            "spec.subnetInfo.gateway",
            "spec.subnetInfo.prefixLength",
            "spec.subnetInfo.vlan",
            "status.ipAddresses[].ipAddress",
            "status.ipAddresses[].phase",
            "status.ipAddresses[].owner.pod.name",
            "status.ipAddresses[].owner.pod.namespace",
            "status.ipAddresses[].owner.pod.containerID",
            "status.ipAddresses[].owner.pod.ifName",
            "status.usage.total",
            "status.usage.used",
        ),
    ),
}


def check_api(host: Host) -> Iterator[Result]:
    """The API answers, and knows this node as this machine."""
    if host.api is None:
        return
    name = host.settings.node_name
    try:
        boot = boot_of(host.api.get(f"/api/v1/nodes/{name}"))
    except ObjectNotFound:
        yield fail(
            "Kubernetes API", f"there is no node {name!r}", "correct nodeName: it is the name of the Node object"
        )
    except MissingPrivilege as exc:
        remedy = f"see by `kubectl get node {name}` whether nodeName is right, or allow the agent to get nodes"
        yield warn("Kubernetes API", f"answers, but the node cannot be read: {exc.message}", remedy)
    except SecnetError as exc:
        yield fail("Kubernetes API", exc.message, exc.hint or "see whether the API server answers from this node")
    else:
        here = _boot_here(host)
        if boot and here and boot != here:
            found = f"the node {name!r} is another machine's: its bootID is {boot}, here it is {here}"
            yield fail(
                "Kubernetes API", found, "correct nodeName; just after a boot, wait for the kubelet to report it"
            )
        else:
            yield ok("Kubernetes API", f"answers, and knows the node {name}")


def _boot_here(host: Host) -> str:
    try:
        return current_boot_id(host.path("/proc"))
    except OSError:
        return ""


def check_kinds(host: Host) -> Iterator[Result]:
    """Each of our CRDs has the version, the subresource and the fields that we need."""
    if host.api is None:
        return
    kinds = {kind.kind: kind for kind in host.registry.kinds}
    for crd, (version, subresource, fields) in FIELDS.items():
        if crd == _POOLS and "IPPool" not in kinds:
            continue
        yield _kind(host.api, crd, version, subresource, fields)
    for kind in kinds.values():
        crd = f"{kind.plural}.{kind.group}"
        if kind.group and crd not in FIELDS:
            yield _kind(host.api, crd, kind.version, True, ())


def _plugin_rules(host: Host) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What the plugins' own kinds need: group, resource and verbs."""
    known = {(group, resource) for rule in host.rules for group in rule["apiGroups"] for resource in rule["resources"]}
    for kind in host.registry.kinds:
        if (kind.group, kind.plural) not in known:
            yield kind.group, kind.plural, ("get", "list", "watch")
            yield kind.group, f"{kind.plural}/status", ("update",)


def check_access(host: Host) -> Iterator[Result]:
    """Each of the agent's rules, asked with its own credentials."""
    if host.api is None:
        return
    for rule in host.rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames") or ("",):
                    yield _access(host.api, group, resource, name, rule["verbs"])
    for group, resource, verbs in _plugin_rules(host):
        yield _access(host.api, group, resource, "", verbs)


def _access(api: ApiReader, group: str, resource: str, name: str, verbs: Sequence[str]) -> Result:
    what = f"access to {resource}{'.' + group if group else ''}{' ' + name if name else ''}"
    try:
        denied = [verb for verb in verbs if not _allowed(api, group, resource, name, verb)]
    except SecnetError as exc:
        return warn(what, f"unknown: {exc.message}", "see whether the API server answers")
    if denied:
        return fail(what, f"{', '.join(denied)} is not allowed", "apply the ClusterRole of deploy/ and its binding")
    return ok(what, f"{', '.join(verbs)} allowed")


def _kind(api: ApiReader, crd: str, version: str, subresource: bool, fields: Sequence[str]) -> Result:
    what = f"CRD {crd}"
    try:
        found = api.get(f"{_CRDS}/{crd}")
    except ObjectNotFound:
        return fail(what, "is not installed", "apply the CRDs of deploy/")
    except MissingPrivilege:
        return _discovered(api, what, crd, version)
    except SecnetError as exc:
        return warn(what, f"unknown: {exc.message}", "see whether the API server answers")
    served = {item["name"]: item for item in found["spec"]["versions"] if item.get("served")}
    if version not in served:
        return fail(
            what, f"serves {', '.join(served) or 'nothing'}, not {version}", f"install a release that serves {version}"
        )
    schema = (served[version].get("schema") or {}).get("openAPIV3Schema") or {}
    missing = [field for field in fields if not _has(schema, field)]
    if missing:
        return fail(
            what, f"the API server drops {', '.join(missing)}", "apply the CRDs of deploy/, or those of a newer release"
        )
    if subresource and "status" not in (served[version].get("subresources") or {}):
        return fail(what, "has no status subresource", "apply the CRDs of deploy/, or those of a newer release")
    return ok(what, f"serves {version} with every field that is needed")


def _discovered(api: ApiReader, what: str, crd: str, version: str) -> Result:
    """What everybody may read: that it is there, but not its fields."""
    plural, _, group = crd.partition(".")
    try:
        found = api.get(f"/apis/{group}/{version}")
    except ObjectNotFound:
        return fail(what, f"{group}/{version} is not served", "apply the CRDs of deploy/")
    except SecnetError as exc:
        return warn(what, f"unknown: {exc.message}", "see whether the API server answers")
    if plural not in [item["name"] for item in found.get("resources") or ()]:
        return fail(what, f"{group}/{version} has no {plural}", "apply the CRDs of deploy/")
    return ok(what, f"serves {version}; its fields may only be compared by who may get CRDs")


def _has(schema: Mapping[str, Any], field: str) -> bool:
    """Whether a structural schema keeps a field such as `spec.ipRanges[].cidr`."""
    for name in field.replace("[]", ".[]").split("."):
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return True
        found = schema.get("items") if name == "[]" else (schema.get("properties") or {}).get(name)
        found = found if found is not None else schema.get("additionalProperties")
        if not isinstance(found, Mapping):
            return False
        schema = found
    return True


def _allowed(api: ApiReader, group: str, resource: str, name: str, verb: str) -> bool:
    plural, _, subresource = resource.partition("/")
    attributes = {"group": group, "resource": plural, "subresource": subresource, "name": name, "verb": verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    return bool((api.post(_REVIEWS, review).get("status") or {}).get("allowed"))
