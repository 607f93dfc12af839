"""`secnet delete`: take manifests away and wait until nothing of their Pods' networks is left."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from secnet.contract import ObjectNotFound

from ..cluster.files.cluster import load_manifests
from ..cluster.files.store import FileStore
from ..cluster.kinds import with_plugins
from ..config.settings import Settings
from ..state.journal import Journal
from ..state.reports import Reports
from ..state.run_dir import require_store
from ._common import add_manifest_options, load_all, require_own_objects
from ._reconciler import Progress, reconciler

__all__ = ["add_parser", "run"]

_POLL_SECONDS = 0.05
_ORDER = {"Pod": 0, "NetworkAttachmentDefinition": 1, "IPPool": 2}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "delete",
        help="delete the objects of a directory of manifests, and wait",
        description="Delete the Pods, NADs and IPPools that the manifests name, Pods first, and wait until their interfaces, "
        "ports and addresses are gone. An IPPool that other Pods still use stays until the last address is released.",
        epilog="exit status: 0 nothing is left; 1 something is, and is named.",
    )
    add_manifest_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Delete, wait, say what is left."""
    registry, settings = load_all(arguments)
    require_own_objects(settings, arguments.config, "use `kubectl delete -f`: the agent sees it there")
    require_store(settings.run_dir, settings.state_dir)
    kinds = with_plugins(registry.kinds)
    objects = [manifest.object for path in arguments.path for manifest in load_manifests(path, kinds=kinds)]
    objects.sort(key=lambda obj: _ORDER.get(obj["kind"], len(_ORDER)))
    store = FileStore(settings.state_dir, kinds=kinds)
    pods = {(_namespace(obj), obj["metadata"]["name"]) for obj in objects if obj["kind"] == "Pod"}
    for obj in (obj for obj in objects if obj["kind"] == "Pod"):
        _delete(store, obj)
    progress = Progress(arguments.timeout)
    with reconciler(settings, registry, "secnet delete") as ensure:
        left = _wait(settings, pods, progress, ensure)
    for line in left:
        print(line)
    if left:
        return 1
    for obj in (obj for obj in objects if obj["kind"] != "Pod"):
        _delete(store, obj)
    return 0


def _delete(store: FileStore, obj: dict[str, Any]) -> None:
    name = obj["metadata"]["name"]
    shown = f"{obj['kind']} {'/'.join(filter(None, (_namespace(obj), name)))}"
    try:
        live = store.delete(obj["kind"], name, _namespace(obj))
    except ObjectNotFound:
        print(f"{shown} not found")
        return
    if live is None:
        print(f"{shown} deleted")
    else:
        used = len((live.get("status") or {}).get("ipAddresses") or [])
        print(f"{shown} is deleted when its last address is released ({used} in use)")


def _namespace(obj: dict[str, Any]) -> str:
    return "" if obj["kind"] == "IPPool" else obj["metadata"].get("namespace") or "default"


def _wait(settings: Settings, pods: set[tuple[str, str]], progress: Progress, ensure: Callable[[], None]) -> list[str]:
    """Poll until the Pods have neither record nor report; returns a line for each that still has."""
    reports = Reports(settings.run_dir)
    while True:
        records = [
            r for r in Journal.peek(settings.run_dir / "journal") if r.pod and (r.pod.namespace, r.pod.name) in pods
        ]
        left = {str(record.pod) for record in records}
        left |= {str(report.pod) for report in reports.pods() if (report.pod.namespace, report.pod.name) in pods}
        if not left:
            return []
        errors = _errors(reports, left)
        if progress.over():
            return [
                f"Pod {name}: not removed yet{': ' + errors[name] if name in errors else ''}" for name in sorted(left)
            ]
        progress.show(f"waiting for {len(left)} Pods to let go", next(iter(errors.values()), ""))
        ensure()
        time.sleep(_POLL_SECONDS)


def _errors(reports: Reports, pods: set[str]) -> dict[str, str]:
    found = {}
    for report in reports.pods():
        errors = [network.error for network in report.networks if network.error]
        if str(report.pod) in pods and errors:
            found[str(report.pod)] = str(errors[0])
    return found
