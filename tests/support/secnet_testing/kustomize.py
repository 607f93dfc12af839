"""Builds the kustomizations of deploy/, as `kustomize build` does, without the suffix of generated names.

No package that the tests can install holds kustomize of today (Debian 12 has one of 2019), so this understands just what ours
say, and refuses every key that it does not know. Where a machine has a `kubectl` of today, a test compares the two.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["build"]

Object = dict[str, Any]

_FILE_KEYS = {"apiVersion", "kind", "namespace", "resources", "components", "configMapGenerator", "patches"}
_KINDS = {
    "Kustomization": "kustomize.config.k8s.io/v1beta1",
    "Component": "kustomize.config.k8s.io/v1alpha1",
}
_CLUSTER_KINDS = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
# The keys by which Kubernetes merges the lists of a Pod. A list that is in neither table is not merged by us: refused.
_MERGED_LISTS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "env": "name",
}
_REPLACED_LISTS = {"command", "drop", "add"}


def build(folder: Path) -> list[Object]:
    """The objects of a kustomization. Raises ValueError for whatever is not understood."""
    return _build(folder, [], "Kustomization")


def _build(folder: Path, objects: list[Object], kind: str) -> list[Object]:
    place = folder / "kustomization.yaml"
    data = yaml.safe_load(place.read_text(encoding="utf-8"))
    _only(data, _FILE_KEYS, place)
    if data["kind"] != kind or data["apiVersion"] != _KINDS[kind]:
        raise ValueError(f"{place}: no {kind} of {_KINDS[kind]}")
    for name in data.get("resources", ()):
        path = folder / name
        found = build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        for obj in found:
            if _find(objects, obj, place) is not None:
                raise ValueError(f"{place}: a second {_identity(obj)}")
            objects.append(obj)
    for name in data.get("components", ()):
        objects = _build(folder / name, objects, "Component")
    for entry in data.get("configMapGenerator", ()):
        _generate(folder, entry, objects, place)
    for entry in data.get("patches", ()):
        _only(entry, {"path"}, place)
        patch = yaml.safe_load((folder / entry["path"]).read_text(encoding="utf-8"))
        target = _find(objects, patch, place)
        if target is None:
            raise ValueError(f"{place}: {entry['path']} changes {_identity(patch)}, which is not there")
        _merge(target, patch, entry["path"])
    if "namespace" in data:
        for obj in objects:
            _put_into(obj, data["namespace"])
    return objects


def _only(data: Mapping[str, Any], known: set[str], place: Path) -> None:
    if unknown := set(data) - known:
        raise ValueError(f"{place}: {sorted(unknown)} is not understood")


def _identity(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _find(objects: list[Object], wanted: Mapping[str, Any], place: Path) -> Object | None:
    found = [obj for obj in objects if _identity(obj) == _identity(wanted)]
    if len(found) > 1:
        raise ValueError(f"{place}: there is more than one {_identity(wanted)}")
    return found[0] if found else None


def _generate(folder: Path, entry: Mapping[str, Any], objects: list[Object], place: Path) -> None:
    _only(entry, {"name", "namespace", "behavior", "files"}, place)
    metadata = {key: entry[key] for key in ("name", "namespace") if key in entry}
    data = {Path(name).name: (folder / name).read_text(encoding="utf-8") for name in entry["files"]}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    before = _find(objects, made, place)
    behavior = entry.get("behavior", "create")
    if behavior not in ("create", "replace") or (before is None) != (behavior == "create"):
        raise ValueError(f"{place}: {behavior} of {_identity(made)}, which is {'not ' if before is None else ''}there")
    if before is None:
        objects.append(made)
    else:
        before["data"] = data


def _merge(target: Object, patch: Mapping[str, Any], where: str) -> None:
    """A strategic merge: objects by key, the lists of a Pod by their merge keys, the patch's items first."""
    for key, value in patch.items():
        before = target.get(key)
        if isinstance(value, Mapping) and isinstance(before, dict):
            if "$patch" in value:
                raise ValueError(f"{where}: directives are not understood")
            _merge(before, value, where)
        elif isinstance(value, list) and isinstance(before, list):
            target[key] = _merged_list(key, before, value, where)
        else:
            target[key] = copy.deepcopy(value)


def _merged_list(key: str, before: list[Any], patch: list[Any], where: str) -> list[Any]:
    if key in _REPLACED_LISTS:
        return list(patch)
    if key not in _MERGED_LISTS:
        raise ValueError(f"{where}: how the list {key} is merged is not known")
    by = _MERGED_LISTS[key]
    there = {item[by]: item for item in before}
    for item in patch:
        if item[by] in there:
            _merge(there[item[by]], item, where)
    named = {item[by] for item in patch}
    return [there.get(item[by], copy.deepcopy(item)) for item in patch] + [
        item for item in before if item[by] not in named
    ]


def _put_into(obj: Object, namespace: str) -> None:
    if obj["kind"] == "Namespace":
        obj["metadata"]["name"] = namespace
    elif obj["kind"] not in _CLUSTER_KINDS:
        obj["metadata"]["namespace"] = namespace
