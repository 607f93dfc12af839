"""The annotation by which a Pod asks for networks (multi-net-spec v1.3, section 4.1), parsed element by element.

Both forms are read: a JSON list, or a comma-separated list of `[namespace/]name[@interface]`. As the reference client does, a
text that holds any of `[`, `{` and `"` is JSON, and JSON keys match in any case. Stricter than it: a malformed value refuses
its element, and so does a key without a dot that the specification does not know (4.1.2.1 reserves those).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from secnet.contract import InvalidConfig, NetworkRef

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.pod import NETWORKS_ANNOTATION, is_blank
from ..model.selection import AnySelection, Malformed, Selection
from ..text.json_text import JsonProblem, json_path, read_json, show, suggest
from .limits import how_to_raise, too_many_bytes, too_many_items
from .values import BadValue, bandwidth, cni_args, default_route, guid, interface, ips, mac, object_name, port_mappings

__all__ = ["InvalidAnnotation", "annotation_error", "parse_networks"]


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class InvalidAnnotation(InvalidConfig):
    """The networks annotation, or one element of it, is malformed; `path` names element and key, such as `$[1].mac`."""


# Key of the annotation -> field of Selection and the parser of its value. `name` and `namespace` make up `network`.
_KEYS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("", object_name),
    "namespace": ("", object_name),
    "interface": ("interface", interface),
    "mac": ("mac", mac),
    "ips": ("ips", ips),
    "default-route": ("default_route", default_route),
    "bandwidth": ("bandwidth", bandwidth),
    "portMappings": ("port_mappings", port_mappings),
    "infiniband-guid": ("infiniband_guid", guid),
    "cni-args": ("cni_args", cni_args),
    "ipam-claim-reference": ("ipam_claim", object_name),
}
_BY_LOWER = {key.lower(): key for key in _KEYS}
_OF_THE_NAD = {"mtu": "set mtu in the NetworkAttachmentDefinition"}  # keys of it that are asked for in annotations


def parse_networks(text: str, namespace: str, limits: Limits = DEFAULT_LIMITS) -> tuple[AnySelection, ...]:
    """The elements of an annotation, in its order; none when it is empty.

    namespace: the Pod's, for elements that name none. Raises InvalidAnnotation for a text that is no list of elements at all, or
    beyond the limits.
    """
    if is_blank(text):
        return ()
    if too_many_bytes(text, limits.text_bytes):
        hint = how_to_raise("textBytes", "ask for less")
        raise annotation_error(f"the annotation is longer than {limits.text_bytes} bytes", hint)
    is_json = any(mark in text for mark in '[{"')
    items = _json_list(text) if is_json else text.split(",")
    if len(items) > limits.networks_per_pod:
        message = f"the Pod asks for {len(items)} networks, and at most {limits.networks_per_pod} are allowed"
        raise annotation_error(message, how_to_raise("networksPerPod", "ask for fewer"))
    if is_json:
        return tuple(_json_selection(item, index, namespace, limits.list_items) for index, item in enumerate(items))
    return tuple(_short_selection(item.strip(), index, namespace) for index, item in enumerate(items))


def annotation_error(message: str, hint: str, *path: str | int) -> InvalidAnnotation:
    """The error of what `path` leads to in the annotation."""
    return InvalidAnnotation(message, hint=hint, subject=f"annotation {NETWORKS_ANNOTATION}", path=json_path(path))


def _json_list(text: str) -> list[Any]:
    try:
        data = read_json(text)
    except JsonProblem as exc:
        raise annotation_error(
            f"invalid JSON: {exc}", "write a JSON list of objects, or a comma-separated list of names"
        ) from exc
    if isinstance(data, dict):
        raise annotation_error("a JSON object where a list is required", "put the object into a list: [{...}]")
    if not isinstance(data, list):
        raise annotation_error(
            f"{show(data)} where a JSON list is required", 'write a list such as [{"name": "my-network"}]'
        )
    return data


def _json_selection(item: Any, index: int, namespace: str, most: int) -> AnySelection:
    if not isinstance(item, dict):
        hint = 'each element is an object such as {"name": "my-network"}'
        error = annotation_error(f"{show(item)} where an object is required", hint, index)
        return _malformed(index, namespace, {}, error)
    crowded = too_many_items(item, most)
    if crowded is not None:
        path, count = crowded
        hint = how_to_raise("listItems", "give fewer")
        error = annotation_error(f"{count} items, and at most {most} are allowed", hint, index, *path)
        return _malformed(index, namespace, {}, error)
    known, extra, errors = _split_keys(item, index)
    certain = not errors
    values: dict[str, Any] = {}
    for key, (written, value) in known.items():
        if key == "namespace" and value == "":
            continue  # 4.1.2.1.2: empty means the Pod's own
        try:
            values[key] = _KEYS[key][1](value)
        except BadValue as exc:
            errors.append(annotation_error(exc.message, exc.hint, index, written, *exc.path))
            values[key] = None
    if "name" not in known:
        errors.append(
            annotation_error("the key name is missing", "name the NetworkAttachmentDefinition", index, "name")
        )
    if values.get("ips") and values.get("ipam-claim-reference"):
        message = "ips and ipam-claim-reference exclude each other"
        errors.append(annotation_error(message, "keep one of them", index, "ipam-claim-reference"))
    if errors:
        return _malformed(index, namespace, values, errors[0], certain=certain)
    network = NetworkRef(namespace=values.get("namespace", namespace), name=values["name"])
    fields = {_KEYS[key][0]: value for key, value in values.items() if _KEYS[key][0]}
    return Selection(index=index, network=network, extra=extra, **fields)


def _malformed(
    index: int, namespace: str, values: Mapping[str, Any], error: InvalidAnnotation, *, certain: bool = False
) -> Malformed:
    """values: what was read; None for a key whose value cannot be."""
    name, within = values.get("name"), values.get("namespace", namespace)
    readable = name is not None and within is not None
    asked = values.get("interface") or "" if "interface" in values else None
    return Malformed(
        index=index,
        error=error,
        network=NetworkRef(namespace=within or namespace, name=str(name) if readable else f"$[{index}]"),
        interface=asked,
        mac=values.get("mac"),
        certain=certain and readable and asked != "",
    )


def _split_keys(
    item: Mapping[str, Any], index: int
) -> tuple[dict[str, tuple[str, Any]], dict[str, Any], list[InvalidAnnotation]]:
    """Known keys (canonical -> as written, value), the keys with a dot, and what is wrong with the others."""
    known: dict[str, tuple[str, Any]] = {}
    extra: dict[str, Any] = {}
    errors: list[InvalidAnnotation] = []
    for written, value in item.items():
        key = _BY_LOWER.get(written.lower())
        if key is None and "." in written:
            extra[written] = value
        elif key is None:
            if not errors:  # one is shown, and to find the nearest known key takes time
                errors.append(annotation_error(f"unknown key {show(written)}", _hint_for(written), index, written))
        elif key in known:
            message = f"the key {key} is given twice, in different case"
            errors.append(annotation_error(message, "keep one of them", index, written))
        else:
            known[key] = (written, value)
    return known, extra, errors


def _hint_for(unknown: str) -> str:
    of_the_nad = _OF_THE_NAD.get(unknown.lower())
    return of_the_nad or f"{suggest(unknown, list(_KEYS))} (a key of your own needs a dot, as in example.org/key)"


def _short_selection(item: str, index: int, namespace: str) -> AnySelection:
    """`[namespace/]name[@interface]`; every part is a DNS label, as in the reference client."""
    rest, at, ifname = item.partition("@")
    first, slash, second = rest.partition("/")
    name = second if slash else first
    parts = [("name", name)] + [("namespace", first)] * bool(slash) + [("interface", ifname)] * bool(at)
    values: dict[str, Any] = {}
    errors: list[InvalidAnnotation] = []
    for key, part in parts:
        try:
            values[key] = _short_part(key, part, item)
        except BadValue as exc:
            errors.append(annotation_error(exc.message, exc.hint, index, key))
            values[key] = None
    if errors:
        return _malformed(index, namespace, values, errors[0], certain=True)
    return Selection(
        index=index,
        network=NetworkRef(namespace=first if slash else namespace, name=name),
        interface=ifname if at else None,
    )


def _short_part(key: str, part: str, item: str) -> str:
    if not _LABEL.fullmatch(part):
        what = f"{show(part)} in {show(item)} is not a valid {key} of the short form"
        hint = (
            "write [namespace/]name[@interface] with lower-case letters, digits and '-'; the JSON form takes more names"
        )
        raise BadValue(what, hint)
    return interface(part) if key == "interface" else part
