"""CNI configuration files of a runtime: which one counts, and what it looks like with our plugin chained behind it.

libcni takes the files `*.conf`, `*.conflist` and `*.json` of the directory in the order of their names; the first is the
cluster's network. In a conflist our entry is added to what is there, as other chained plugins do; its owner may rewrite it,
and then the entry is added again. A `.conf` holds one plugin and cannot be added to: beside it a conflist is made whose name
comes first (`10-net.conf`: `10-net-secnet.conflist`), and the file itself is left alone. Such a conflist says in itself that it
is ours: a name alone may be another owner's.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.contract import Busy, Conflict, NotReady, Unsupported, thaw

from ._files import replace_file
from ._protocol import CHAINED_TYPE, SUPPORTED_VERSIONS
from .owners import how_to_share

__all__ = ["NO_NETWORK", "Chained", "chain", "chained_file", "multus_present", "unchain"]

_log = logging.getLogger(__name__)

_LIST = ".conflist"
_SUFFIXES = (".conf", _LIST, ".json")
_MADE = f"-secnet{_LIST}"
_MARK = "secnet.io/made-from"  # beside `plugins`, where runtimes leave unknown keys alone
NO_NETWORK = (
    "install the cluster's primary network, or, where Pods have one, correct cni.confDir or what is mounted there: it is not the "
    "directory that the runtime reads (`crictl info` names that)"
)
_MULTUS_TYPES = ("multus", "multus-shim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """A network into which the entry was written. types: of the plugins that its owner put there."""

    path: Path
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    """One file: its content, and its plugins, of which a `.conf` has one."""

    path: Path
    content: dict[str, Any]
    plugins: list[Any]

    @property
    def is_made(self) -> bool:
        """Whether we made this file, beside one that holds a single plugin."""
        return self.path.name.endswith(_MADE) and isinstance(self.content.get(_MARK), str)


def multus_present(conf_dir: Path) -> bool:
    """Whether Multus is configured in this directory: it then calls the plugins of all NADs by itself."""
    return any(_type(plugin) in _MULTUS_TYPES for network in _networks(conf_dir) for plugin in network.plugins)


def chained_file(conf_dir: Path) -> Path | None:
    """The first configuration that has our entry."""
    found = (item.path for item in _networks(conf_dir) if any(_type(plugin) == CHAINED_TYPE for plugin in item.plugins))
    return next(found, None)


def chain(conf_dir: Path, entry: Mapping[str, Any], pause: Callable[[], float] = lambda: 0.0) -> Chained | None:
    """Make `entry` the last plugin of the first network, once. Changes nothing that is right already.

    Returns that network if it had to be written.

    pause: seconds until the first network may be written, as another writer answers each write of ours. Raises Busy then;
    NotReady while there is no network, or the file that comes first cannot be read yet; Unsupported for a network whose version
    of CNI our plugin does not speak, for its Pods would all fail; Conflict when a file of another owner has the name of the
    conflist to be made.
    """
    desired = thaw(entry)
    _drop_orphans(conf_dir)
    network = next(_networks(conf_dir, unreadable=_wait_for), None)
    if network is None:
        raise NotReady("there is no CNI network in this directory yet", hint=NO_NETWORK, subject=str(conf_dir))
    _require_versions(network)
    path, content = _target(network)
    content["plugins"] = _with_entry(content["plugins"], desired)
    types = tuple(kind for plugin in network.plugins if (kind := _type(plugin)) != CHAINED_TYPE)
    written = not _stands(path, content)
    if written:
        if pause():
            message = "another program takes the plugin out as soon as it is in, so it is written ever more rarely"
            raise Busy(message, hint=how_to_share(types), subject=str(path))
        _replace(path, content, mode_of=network.path)
    for other in _networks(conf_dir):
        if other.path in (path, network.path):
            continue
        if other.is_made:
            other.path.unlink(missing_ok=True)
        else:
            _take_out(other)
    return Chained(path=path, types=types) if written else None


def unchain(conf_dir: Path) -> None:
    """Take our entry out of all networks. Idempotent."""
    for network in _networks(conf_dir):
        if network.is_made:
            network.path.unlink(missing_ok=True)
        else:
            _take_out(network)


def _pass_over(path: Path, why: Exception) -> None:
    _log.warning("a CNI configuration cannot be read: %s: %s", path, why)


def _wait_for(path: Path, why: Exception) -> None:
    """Its owner may be writing it at this moment, and then it is the network that counts."""
    raise NotReady(
        f"this file comes before the CNI networks, and cannot be read: {why}",
        hint="correct or remove it, if it stays so; it is read again",
        subject=str(path),
    ) from why


def _networks(conf_dir: Path, unreadable: Callable[[Path, Exception], None] = _pass_over) -> Iterator[_Network]:
    """The networks in libcni's order. unreadable: called for each file on the way that cannot be read, or is no JSON."""
    try:
        names = sorted(name for name in os.listdir(conf_dir) if name.endswith(_SUFFIXES))
    except FileNotFoundError:
        return
    for name in names:
        path = conf_dir / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue  # it went between the two looks
        except (OSError, ValueError) as exc:
            unreadable(path, exc)
            continue
        plugins = content.get("plugins") if name.endswith(_LIST) and isinstance(content, dict) else [content]
        if isinstance(plugins, list) and any(_type(plugin) for plugin in plugins):
            yield _Network(path=path, content=content, plugins=plugins)


def _type(plugin: Any) -> str:
    return str(plugin.get("type") or "") if isinstance(plugin, dict) else ""


def _require_versions(network: _Network) -> None:
    """All versions that a runtime may choose from: `cniVersions` is a list of them since CNI 1.1."""
    listed = network.content.get("cniVersions")
    given = [network.content.get("cniVersion"), *(listed if isinstance(listed, list) else [])]
    wrong = [version for version in given if version not in SUPPORTED_VERSIONS and (version is not None or not listed)]
    if wrong:
        raise Unsupported(
            f"this network is of CNI version {wrong[0] or 'none'}, but the plugin speaks {', '.join(SUPPORTED_VERSIONS)}",
            hint="raise cniVersion there, or run without the plugin: Pods are then attached as they are seen",
            subject=str(network.path),
        )


def _target(network: _Network) -> tuple[Path, dict[str, Any]]:
    """The file to write, and its content before our entry is added."""
    if not network.path.name.endswith(_LIST):
        made = network.path.with_name(network.path.stem + _MADE)
        if made.exists():  # it would be the first network, if it were one
            hint = "move it away: the conflist for the CNI plugin is to have this name"
            raise Conflict("this file is not ours", hint=hint, subject=str(made))
        return made, _wrapped(network)
    desired = _source_of(network)
    source = next((item for item in _networks(network.path.parent) if item.path == desired), None)
    if source is None:
        return network.path, dict(network.content)
    # Made by us: follow the file it was made from, and keep what others chained behind it.
    content = _wrapped(source)
    return network.path, content | {"plugins": content["plugins"] + network.plugins[1:]}


def _wrapped(source: _Network) -> dict[str, Any]:
    conf = source.content
    outer = {key: conf[key] for key in ("cniVersion", "cniVersions", "name") if key in conf}
    return outer | {_MARK: source.path.name, "plugins": [_inner(conf)]}


def _inner(conf: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in conf.items() if key not in ("cniVersion", "cniVersions", "name")}


def _source_of(made: _Network) -> Path | None:
    """The `.conf` (or `.json`) that a conflist of ours was made from, if it is still there."""
    if not made.is_made:
        return None
    stem = made.path.name.removesuffix(_MADE)
    files = (made.path.with_name(stem + suffix) for suffix in (".conf", ".json"))
    return next((file for file in files if file.exists()), None)


def _drop_orphans(conf_dir: Path) -> None:
    """A conflist of ours whose source is gone would keep a network alive that its owner removed."""
    for network in _networks(conf_dir):
        if network.is_made and _source_of(network) is None:
            network.path.unlink(missing_ok=True)


def _with_entry(plugins: list[Any], entry: dict[str, Any]) -> list[Any]:
    """The plugins with the entry once: where it stands already, else at the end."""
    places = [index for index, plugin in enumerate(plugins) if _type(plugin) == CHAINED_TYPE]
    if not places:
        return [*plugins, entry]
    kept = [plugin for index, plugin in enumerate(plugins) if index not in places[1:]]
    kept[places[0]] = entry
    return kept


def _take_out(network: _Network) -> None:
    rest = [plugin for plugin in network.plugins if _type(plugin) != CHAINED_TYPE]
    if network.path.name.endswith(_LIST) and rest and len(rest) < len(network.plugins):
        _replace(network.path, network.content | {"plugins": rest}, mode_of=network.path)


def _stands(path: Path, content: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == content)
    except (OSError, ValueError):
        return False  # it is to be made, or made right


def _replace(path: Path, content: Mapping[str, Any], *, mode_of: Path) -> None:
    replace_file(path, (json.dumps(content, indent=2) + "\n").encode(), like=mode_of)
