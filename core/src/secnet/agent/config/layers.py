"""The node configuration in layers: drop-ins beside the file, the file itself, and one node group of it.

A higher layer wins key by key: a mapping merges with the one below, any other value replaces it. For `/etc/secnet/node.yaml` the
drop-ins are `/etc/secnet/node.d/*.yaml` and `/etc/secnet/node.d/*/*.yaml`, in the order of their paths, below the file. So a
component of an installation has its settings in a file of its own, and the file that users write holds what they want and
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import InvalidConfig, thaw

from ..text.documents import parse_yaml
from ..text.json_text import json_path, show
from .aliases import Aliases, Place

__all__ = ["Layer", "Layers", "read_drop_ins", "read_layers", "without_empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one file says. data: without sections that are empty."""

    file: str
    data: Mapping[str, Any]


class Layers:
    """Layers as one configuration, `data`, which remembers from which layer each of its keys is.

    layers: the lowest first, at least one. A setting that a higher layer gives at another of its places is moved there first.
    """

    def __init__(self, layers: Iterable[Layer], aliases: Aliases) -> None:
        self.data: dict[str, Any] = {}
        self._origins: dict[str, Layer] = {}
        for layer in layers:
            for old, new in aliases.moves(self.data, layer.data):
                self._move(old, new)
            self._put(self.data, layer.data, layer, ())
            self.top = layer

    def origin(self, path: str) -> Layer:
        """The layer that gives what is at a path of `data`, such as `$.cni.confDir`; the highest one where none does."""
        while path not in self._origins and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._origins.get(path, self.top)

    def _put(self, into: dict[str, Any], data: Mapping[str, Any], layer: Layer, place: Place) -> None:
        for key, value in data.items():
            path = json_path((*place, key))
            self._origins[path] = layer
            if not isinstance(value, Mapping):
                into[key] = thaw(value)
                continue
            if not isinstance(into.get(key), dict):
                into[key] = {}
            self._put(into[key], value, layer, (*place, key))

    def _move(self, old: Place, new: Place) -> None:
        value, layer = self.data, self.origin(json_path(old))
        for key in old[:-1]:
            value = value[key]
        moved: Any = value.pop(old[-1])
        for key in reversed(new):
            moved = {key: moved}
        self._put(self.data, moved, layer, ())


def read_layers(path: Path) -> list[Layer]:
    """The drop-ins beside a file, and the file, which need not exist where there are drop-ins.

    Raises InvalidConfig naming the one that cannot be read.
    """
    drop_ins = read_drop_ins(path)
    return drop_ins if drop_ins and not path.exists() else [*drop_ins, _read(path)]


def read_drop_ins(path: Path) -> list[Layer]:
    """The drop-ins beside a file: of `node.yaml` those in the folder `node.d`. Raises InvalidConfig as `read_layers` does.

    In folders there, as a ConfigMap is mounted, too.
    """
    folder = path.with_suffix(".d")
    if folder == path or not folder.is_dir():
        return []
    found = sorted({*folder.glob("*.yaml"), *folder.glob("*/*.yaml")})
    return [_read(file) for file in found if not any(part[0] == "." for part in file.relative_to(folder).parts)]


def without_empty(data: Mapping[str, Any]) -> dict[str, Any]:
    """A section whose every line is commented out reads as null: the same as no section."""
    return {key: value for key, value in data.items() if value is not None}


def _read(path: Path) -> Layer:
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
    if len(documents) > 1:
        message, hint = f"a second document begins in line {documents[1].line}", "keep one document in the file"
        raise InvalidConfig(message, hint=hint, subject=subject)
    data = documents[0].value if documents else {}
    if not isinstance(data, dict):
        message = f"{show(data)} where keys and values are required"
        hint = "write keys and values, such as `nodeName: worker-1`"
        raise InvalidConfig(message, hint=hint, subject=subject, path="$")
    return Layer(file=str(path), data=without_empty(data))
