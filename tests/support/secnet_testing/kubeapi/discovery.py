"""What the server says about itself: groups, versions, resources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .answers import Object
from .resources import Resource

__all__ = ["discovered"]

_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def discovered(parts: Sequence[str], resources: Iterable[Resource]) -> Object | None:
    """The answer for a path of discovery, None for any other."""
    resources = list(resources)
    groups: dict[str, list[str]] = {}
    for item in resources:
        if item.version not in groups.setdefault(item.group, []):
            groups[item.group].append(item.version)
    match list(parts):
        case ["version"]:
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.0-test", "platform": "linux/amd64"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            found = [_group(name, versions) for name, versions in groups.items() if name]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}
        case ["apis", group] if group in groups:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, groups[group])}
        case ["api", version] if version in groups[""]:
            return _resources("", version, resources)
        case ["apis", group, version] if version in groups.get(group, ()):
            return _resources(group, version, resources)
    return None


def _group(name: str, versions: Sequence[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group: str, version: str, resources: Iterable[Resource]) -> Object:
    found: list[Object] = []
    for item in resources:
        if (item.group, item.version) != (group, version):
            continue
        base = {"singularName": item.kind.lower(), "namespaced": item.namespaced, "kind": item.kind}
        short = {"shortNames": list(item.short)} if item.short else {}
        found.append({**base, **short, "name": item.plural, "verbs": _VERBS})
        if item.status:
            found.append(
                {**base, "singularName": "", "name": f"{item.plural}/status", "verbs": ["get", "patch", "update"]}
            )
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}
