"""The annotation by which a Pod asks for networks (multi-net-spec v1.3, section 4.1), parsed all or nothing.

Both forms are read: a JSON list, or a comma-separated list of `[namespace/]name[@interface]`. As the reference client does, a
text that holds any of `[`, `{` and `"` is JSON, and JSON keys match in any case. Stricter than it: a malformed value refuses
the whole annotation, and so does a key without a dot that the specification does not know (4.1.2.1 reserves those).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from secnet.contract import InvalidConfig, NetworkRef

from ..model.pod import NETWORKS_ANNOTATION
from ..model.selection import Selection
from ..text.json_text import JsonProblem, json_path, read_json, show, suggest
from .values import BadValue, bandwidth, cni_args, default_route, guid, interface, ips, mac, object_name, port_mappings

__all__ = ["InvalidAnnotation", "parse_networks"]


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class InvalidAnnotation(InvalidConfig):
    """The networks annotation is malformed; `path` names element and key, such as `$[1].mac`."""


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


def parse_networks(text: str, namespace: str) -> tuple[Selection, ...]:
    """The selections of an annotation, in its order; none when it is empty.

    namespace: the Pod's, for elements that name none. Raises InvalidAnnotation: a malformed value refuses all of it.
    """
    if not text.strip():
        return ()
    if any(mark in text for mark in '[{"'):
        selections = _json_form(text, namespace)
    else:
        selections = tuple(
            _short_selection(item.strip(), index, namespace) for index, item in enumerate(text.split(","))
        )
    _one_default_route(selections)
    return selections


def _error(message: str, hint: str, *path: str | int) -> InvalidAnnotation:
    return InvalidAnnotation(message, hint=hint, subject=f"annotation {NETWORKS_ANNOTATION}", path=json_path(path))


def _json_form(text: str, namespace: str) -> tuple[Selection, ...]:
    try:
        data = read_json(text)
    except JsonProblem as exc:
        raise _error(
            f"invalid JSON: {exc}", "write a JSON list of objects, or a comma-separated list of names"
        ) from exc
    if isinstance(data, dict):
        raise _error("a JSON object where a list is required", "put the object into a list: [{...}]")
    if not isinstance(data, list):
        raise _error(f"{show(data)} where a JSON list is required", 'write a list such as [{"name": "my-network"}]')
    return tuple(_json_selection(item, index, namespace) for index, item in enumerate(data))


def _json_selection(item: Any, index: int, namespace: str) -> Selection:
    if not isinstance(item, dict):
        raise _error(
            f"{show(item)} where an object is required",
            'each element is an object such as {"name": "my-network"}',
            index,
        )
    known, extra = _split_keys(item, index)
    values: dict[str, Any] = {}
    for key, (written, value) in known.items():
        if key == "namespace" and value == "":
            continue  # 4.1.2.1.2: empty means the Pod's own
        try:
            values[key] = _KEYS[key][1](value)
        except BadValue as exc:
            raise _error(exc.message, exc.hint, index, written, *exc.path) from exc
    if "name" not in values:
        raise _error("the key name is missing", "name the NetworkAttachmentDefinition", index, "name")
    if "ips" in values and "ipam-claim-reference" in values:
        raise _error(
            "ips and ipam-claim-reference exclude each other", "keep one of them", index, "ipam-claim-reference"
        )
    network = NetworkRef(namespace=values.get("namespace", namespace), name=values["name"])
    fields = {_KEYS[key][0]: value for key, value in values.items() if _KEYS[key][0]}
    return Selection(index=index, network=network, extra=extra, **fields)


def _split_keys(item: Mapping[str, Any], index: int) -> tuple[dict[str, tuple[str, Any]], dict[str, Any]]:
    """Known keys (canonical -> as written, value), and the keys with a dot."""
    known: dict[str, tuple[str, Any]] = {}
    extra: dict[str, Any] = {}
    for written, value in item.items():
        key = _BY_LOWER.get(written.lower())
        if key is None and "." in written:
            extra[written] = value
        elif key is None:
            hint = f"{suggest(written, list(_KEYS))} (a key of your own needs a dot, as in example.org/key)"
            raise _error(f"unknown key {show(written)}", hint, index, written)
        elif key in known:
            raise _error(f"the key {key} is given twice, in different case", "keep one of them", index, written)
        else:
            known[key] = (written, value)
    return known, extra


def _short_selection(item: str, index: int, namespace: str) -> Selection:
    """`[namespace/]name[@interface]`; every part is a DNS label, as in the reference client."""
    rest, at, ifname = item.partition("@")
    first, slash, second = rest.partition("/")
    name = second if slash else first
    parts = [("name", name)] + [("namespace", first)] * bool(slash) + [("interface", ifname)] * bool(at)
    for key, part in parts:
        if not _LABEL.fullmatch(part):
            what = f"{show(part)} in {show(item)} is not a valid {key} of the short form"
            hint = "write [namespace/]name[@interface] with lower-case letters, digits and '-'; the JSON form takes more names"
            raise _error(what, hint, index, key)
    if at:
        try:
            interface(ifname)
        except BadValue as exc:
            raise _error(exc.message, exc.hint, index, "interface") from exc
    return Selection(
        index=index,
        network=NetworkRef(namespace=first if slash else namespace, name=name),
        interface=ifname if at else None,
    )


def _one_default_route(selections: tuple[Selection, ...]) -> None:
    """4.1.2.1.9: only one element may carry the key, or the default route would be ambiguous."""
    carriers = [selection.index for selection in selections if selection.default_route is not None]
    if len(carriers) > 1:
        raise _error(
            f"default-route stands in more than one element (also in $[{carriers[0]}])",
            "keep it in the one network that is to carry the default route",
            carriers[1],
            "default-route",
        )
