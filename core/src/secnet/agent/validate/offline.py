"""Check a set of files without a cluster or a host: NADs, Pods, IPPools and node configuration.

What the agent would reject is a finding. What only other objects or the host could show, such as a NAD that is not among
the files, is a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from secnet.contract import InvalidConfig, NetnsRef, NetworkRef, ObjectNotFound, PodRef, SecnetError

from ..cluster.kinds import UNUSED_KINDS, Kinds, normalized, with_plugins
from ..config.examine import examine_layers, settings_keys
from ..config.layers import Layer, without_empty
from ..config.settings import limits_of
from ..model.limits import Limits
from ..model.network import NetworkConfig
from ..model.pod import NETWORKS_ANNOTATION
from ..model.problem import InternalError
from ..model.sandbox import Sandbox
from ..model.work import Rejected, Work
from ..networks.annotation import parse_networks
from ..networks.desired import assign_names, selections_of
from ..networks.nad import OUR_TYPES, examine_nad, nad_ref
from ..networks.requests import build_work
from ..plugins.registry import Registry
from ..text.json_text import nearest, read_json, show
from ._devices import examine_devices
from ._findings import Document, Finding, Item, fault_of, guarded, of_document
from ._networks import examine_network

__all__ = ["Document", "Finding", "check_documents", "looks_like_settings"]

_NOWHERE = Sandbox(container_id="offline", netns=NetnsRef(path="", device=0, inode=0))
_KEYS = "write keys and values, such as `nodeName: worker-1`"
_ANNOTATION_PATH = f"$.metadata.annotations['{NETWORKS_ANNOTATION}']"
_TEMPLATE_KINDS = {
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


def check_documents(documents: Iterable[Document], registry: Registry) -> list[Finding]:
    """Findings and notes about all documents together, in the order of files and lines."""
    findings: list[Finding] = []
    items: list[Item] = []
    kinds = with_plugins(registry.kinds)
    documents = tuple(documents)
    limits = _limits(documents, registry)
    for document in documents:
        try:
            items.extend(_items(document, registry, kinds, limits, findings))
        except InvalidConfig as exc:
            findings.append(of_document(document, exc.path, exc.message, exc.hint))
        except Exception as exc:
            findings.append(fault_of(document, exc))
    findings.extend(_duplicates(items))
    check = _SetCheck(items=items, registry=registry, limits=limits)
    findings.extend(check.run())
    return sorted(findings, key=lambda finding: (finding.file, finding.line, finding.note))


def _items(
    document: Document, registry: Registry, kinds: Kinds, limits: Limits, findings: list[Finding]
) -> Iterator[Item]:
    """The objects of known kinds in a document; whatever else it is is checked right here."""
    data = document.data
    kind = data.get("kind") if isinstance(data, Mapping) else None
    kind = kind if isinstance(kind, str) else ""
    if document.is_settings or looks_like_settings(data, registry):
        findings.extend(_check_settings(document, registry))
    elif kind in _TEMPLATE_KINDS:
        findings.extend(_check_template(document, kind, limits))
    elif kind in UNUSED_KINDS and kind not in kinds:
        findings.append(of_document(document, "", f"secnet does not use a {kind}", "", note=True))
    else:
        yield Item(document=document, obj=normalized(data, kinds), kinds=kinds)


def looks_like_settings(data: Any, registry: Registry) -> bool:
    """Whether a document is a node configuration and no object."""
    return isinstance(data, Mapping) and "kind" not in data and bool(settings_keys(registry) & set(data))


def _limits(documents: Iterable[Document], registry: Registry) -> Limits:
    """Those of a node configuration among the documents; else the usual ones."""
    given: dict[str, Any] = {}
    for document in documents:
        if document.is_settings or looks_like_settings(document.data, registry):
            with suppress(Exception):  # that is a finding where the document itself is checked
                if all(found.note for found in _check_settings(document, registry)):
                    for layer in (*(layer.data for layer in document.beneath), document.data):
                        given |= layer.get("limits") or {}
    return limits_of({"limits": given})


def _check_settings(document: Document, registry: Registry) -> Iterator[Finding]:
    if not isinstance(document.data, Mapping):
        yield of_document(document, "$", f"{show(document.data)} where keys and values are required", _KEYS)
        return
    top = Layer(file=document.file, data=without_empty(document.data))
    for found in examine_layers([*document.beneath, top], registry):
        problem = found.problem
        yield Finding(
            file=found.file,
            line=document.line if found.file == document.file else 1,
            object="node configuration",
            path=problem.path,
            message=problem.message,
            hint=problem.hint,
            note=found.note,
        )


def _check_template(document: Document, kind: str, limits: Limits) -> Iterator[Finding]:
    """The annotation in the Pod template of a workload: no Pod made from it would get what is wrong there."""
    value: Any = document.data
    path = ("$", *_TEMPLATE_KINDS[kind], "metadata", "annotations")
    for key in path[1:]:
        value = value.get(key) if isinstance(value, Mapping) else None
    text = value.get(NETWORKS_ANNOTATION) if isinstance(value, Mapping) else None
    where = f"{'.'.join(path)}['{NETWORKS_ANNOTATION}']"
    try:
        named = assign_names(parse_networks(text if isinstance(text, str) else "", "default", limits), {})
    except InvalidConfig as exc:
        yield of_document(document, f"{where}: {exc.path}", exc.message, exc.hint)
        return
    for error in (each.error for each in named if each.error is not None):
        yield of_document(document, f"{where}: {error.path}", error.message, error.hint)


def _duplicates(items: Iterable[Item]) -> Iterator[Finding]:
    first: dict[str, Item] = {}
    for item in items:
        earlier = first.setdefault(item.name, item)
        if earlier is not item:
            where = f"{earlier.document.file}:{earlier.document.line}"
            yield item.finding("", f"the same object is already in {where}", "keep one of them")


@dataclass(frozen=True, slots=True, kw_only=True)
class _SetCheck:
    """The checks of objects, which may depend on each other."""

    items: Sequence[Item]
    registry: Registry
    limits: Limits

    def run(self) -> Iterator[Finding]:
        networks: dict[NetworkRef, NetworkConfig | SecnetError | None] = {}
        for item in self._of("NetworkAttachmentDefinition"):
            config, problems = self._examine(item)
            networks[nad_ref(item.obj)] = problems[0] if problems else config
            yield from (item.error(problem.info) for problem in problems)
            if not problems:
                yield from guarded(item, self._check_nad(item, config))
        for item in self._of("Pod"):
            yield from guarded(item, self._check_pod(item, networks))
        yield from self._ask_backends()

    def _of(self, kind: str) -> list[Item]:
        return [item for item in self.items if item.obj["kind"] == kind]

    def _examine(self, item: Item) -> tuple[NetworkConfig | None, Sequence[SecnetError]]:
        try:
            return examine_nad(item.obj, self.registry, self.limits)
        except SecnetError as exc:  # a backend that fails to check its part
            return None, (exc,)
        except Exception as exc:
            return None, (InternalError(exc),)

    def _check_nad(self, item: Item, config: NetworkConfig | None) -> Iterator[Finding]:
        if config is None:
            yield _not_ours(item)
            return
        if config.chain:
            text = f"a chain with {', '.join(config.chain)} needs a caller such as Multus: secnet alone refuses it"
            yield item.finding("$.plugins", text, "", note=True)
        yield from self._check_network(item, config)

    def _check_network(self, item: Item, config: NetworkConfig) -> Iterator[Finding]:
        if config.ipam_type is None:
            return
        objects = [other.obj for other in self.items]
        try:
            outline = self.registry.outline(config.ipam_type, config.ipam_config, objects)
        except SecnetError as exc:
            yield item.error(exc.info)
            return
        for problem in examine_network(config, outline):
            yield item.finding(problem.path, problem.message, problem.hint, note=problem.note)

    def _check_pod(
        self, item: Item, networks: Mapping[NetworkRef, NetworkConfig | SecnetError | None]
    ) -> Iterator[Finding]:
        meta = item.obj["metadata"]
        pod = PodRef(namespace=meta["namespace"], name=meta["name"], uid="")
        try:
            elements = selections_of(item.obj, self.limits)
        except InvalidConfig as exc:
            yield item.finding(f"{_ANNOTATION_PATH}: {exc.path}", exc.message, exc.hint)
            return

        def look_up(ref: NetworkRef) -> NetworkConfig | None:
            if ref not in networks:
                raise ObjectNotFound(f"NetworkAttachmentDefinition {ref} is not among these files")
            found = networks[ref]
            if isinstance(found, SecnetError):
                raise found.with_traceback(None)
            return found

        works: list[Work] = []
        for named in assign_names(elements, {}):
            path = f"{_ANNOTATION_PATH}: $[{named.selection.index}]"
            outcome = build_work(named, pod, _NOWHERE, look_up, self.registry)
            error = named.error or (outcome.error if isinstance(outcome, Rejected) else None)
            if isinstance(error, ObjectNotFound):
                yield item.finding(path, error.message, "", note=True)
            elif error is not None and networks.get(named.selection.network) is not error:
                yield item.finding(f"{_ANNOTATION_PATH}: {error.path or path}", error.message, error.hint)
            if isinstance(outcome, Work):
                works.append(outcome)
        for problem in examine_devices(item.obj, works):
            yield item.finding(problem.path, problem.message, problem.hint, note=problem.note)

    def _ask_backends(self) -> Iterator[Finding]:
        by_name = {_key(item.obj): item for item in self.items}
        objects = [item.obj for item in self.items]
        checked = {"Pod", "NetworkAttachmentDefinition", *(kind.kind for kind in self.registry.kinds)}
        for name, _ in sorted(self.registry.backends.items()):
            try:
                for obj, path, message, hint in self.registry.object_findings(name, objects):
                    yield by_name[_key(obj)].finding(path, message, hint)
            except SecnetError as exc:
                yield Finding(file="", message=exc.message, hint=exc.hint)
        for item in self.items:
            if item.obj["kind"] not in checked:
                yield item.finding("", "no installed plugin checks this kind", "", note=True)


def _key(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace", ""), meta["name"]


def _not_ours(item: Item) -> Finding:
    """Why a NAD is none of ours; a likely slip is pointed out."""
    text = (item.obj.get("spec") or {}).get("config")
    if not text or not text.strip():
        return item.finding("$.spec.config", "there is no config, so it is left alone", "", note=True)
    config = read_json(text)
    found = config.get("type")
    if "plugins" in config:
        return item.finding("$.plugins", "a chain of plugins of other types is left alone", "", note=True)
    close = nearest(found, OUR_TYPES)
    hint = f"did you mean {close!r}?" if close else ""
    return item.finding("$.type", f"type {show(found)} is not ours, so it is left alone", hint, note=True)
