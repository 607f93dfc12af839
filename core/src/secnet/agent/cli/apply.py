"""`secnet apply`: hand manifests to the reconciler of this node, and wait until their Pods' networks are there."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from secnet.contract import one_line

from ..cluster.files.cluster import load_manifests
from ..cluster.files.store import FileStore
from ..cluster.kinds import with_plugins
from ..config.settings import Settings
from ..model.report import NetworkReport, PodReport
from ..state.journal import Journal
from ..state.reports import Reports
from ..state.run_dir import require_store
from ._common import add_manifest_options, load_all, require_own_objects
from ._reconciler import Progress, reconciler

__all__ = ["add_parser", "run"]

_POLL_SECONDS = 0.05

RECONCILE_ANNOTATION = "secnet.io/reconcile-requested-at"
"""On a Pod: each new value makes the agent try again what failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What was handed over. needs: the revision a report with an error must have seen, for it may be about older objects."""

    pods: tuple[dict[str, Any], ...]
    needs: int


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "apply",
        help="reconcile the Pods of a directory of manifests, and wait",
        description="Hand Pods, NADs and IPPools to the node's reconciler and wait until every network of these Pods is "
        "attached. Beside a running `secnet agent` of the same runDir it does the work; otherwise this command does, and "
        "leaves the interfaces in place when it ends.",
        epilog="exit status: 0 all is attached; 1 something is not: at once when waiting would not help, else after --timeout.",
    )
    add_manifest_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Apply, wait, print one line a network."""
    registry, settings = load_all(arguments)
    require_own_objects(settings, arguments.config, "use `kubectl apply -f`: the agent sees it there")
    require_store(settings.run_dir, settings.state_dir)
    kinds = with_plugins(registry.kinds)
    manifests = [item for path in arguments.path for item in load_manifests(path, on_note=_note, kinds=kinds)]
    store = FileStore(settings.state_dir, kinds=kinds)
    applied = _hand_over(store, manifests, settings)
    progress = Progress(arguments.timeout)
    try:
        with reconciler(settings, registry, "secnet apply") as ensure:
            reports = _wait(settings, applied, progress, ensure)
    except KeyboardInterrupt:
        _print_left(settings, applied.pods)
        raise
    code = _print_result(applied, reports)
    _print_left(settings, [pod for pod in applied.pods if not _answered(pod, reports, applied.needs)])
    return code


def _print_left(settings: Settings, pods: Sequence[dict[str, Any]]) -> None:
    """What a run leaves that ended before these Pods were done: their objects, and what the journal has of them."""
    if not pods:
        return
    print(
        f"what was handed over stays in {settings.state_dir}: the next `secnet apply` or agent goes on with it, "
        f"`secnet delete` ends it"
    )
    ours = {pod["metadata"]["uid"] for pod in pods}
    for record in Journal.peek(settings.run_dir / "journal"):
        if record.pod is not None and record.pod.uid in ours:
            print(f"Pod {record.pod}: {record.key.ifname} on {record.attachment.request.network} stays: {record.phase}")


def _note(where: str, what: str) -> None:
    print(f"{where}: {what}")


def _hand_over(store: FileStore, manifests: Iterable[Any], settings: Settings) -> _Applied:
    pods, needs = [], 0
    reports = {report.pod.uid: report for report in Reports(settings.run_dir).pods()}
    for manifest in manifests:
        verb, live = store.apply(manifest.object, source=manifest.source)
        meta = live["metadata"]
        print(f"{live['kind']} {'/'.join(filter(None, (meta.get('namespace'), meta['name'])))} {verb}")
        if live["kind"] == "Pod":
            if (live.get("spec") or {}).get("nodeName") in (None, "", settings.node_name):
                report = reports.get(meta["uid"])
                if verb == "unchanged" and report is not None and not report.attached:
                    live = _request_reconcile(store, meta)
                pods.append(live)
        elif verb != "unchanged":
            needs = max(needs, int(meta["resourceVersion"]))
    return _Applied(pods=tuple(pods), needs=needs)


def _request_reconcile(store: FileStore, meta: Mapping[str, Any]) -> Any:
    """What failed may succeed now, so the reconciler is to try again. It has a new generation, whose report is of this run."""
    requested = {RECONCILE_ANNOTATION: datetime.now(UTC).isoformat()}
    return store.patch_annotations("Pod", meta["name"], meta["namespace"], requested)


def _wait(
    settings: Settings, applied: _Applied, progress: Progress, ensure: Callable[[], None]
) -> dict[str, PodReport]:
    """Poll the reports until all Pods are settled; returns the last ones by Pod uid."""
    reader = Reports(settings.run_dir)
    while True:
        reports = {report.pod.uid: report for report in reader.pods()}
        waiting = [pod for pod in applied.pods if not _answered(pod, reports, applied.needs)]
        if not waiting or progress.over():
            return reports
        progress.show(f"waiting for {len(waiting)} of {len(applied.pods)} Pods", _first_error(waiting, reports))
        ensure()
        time.sleep(_POLL_SECONDS)


def _answered(pod: dict[str, Any], reports: dict[str, PodReport], needs: int) -> bool:
    report = reports.get(pod["metadata"]["uid"])
    if report is None:
        return not (pod["metadata"].get("annotations") or {}).get("k8s.v1.cni.cncf.io/networks")
    if report.generation < int(pod["metadata"]["generation"]):
        return False
    return report.attached or (report.settled and report.revision >= needs)


def _first_error(waiting: Iterable[dict[str, Any]], reports: dict[str, PodReport]) -> str:
    for pod in waiting:
        report = reports.get(pod["metadata"]["uid"])
        errors = [network.error for network in report.networks if network.error] if report else []
        if errors:
            return f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}: {errors[0]}"
    return ""


def _print_result(applied: _Applied, reports: dict[str, PodReport]) -> int:
    good = True
    for pod in applied.pods:
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        report = reports.get(pod["metadata"]["uid"])
        if not _answered(pod, reports, applied.needs):
            good = False
            if report is None:
                print(f"Pod {name}: no answer yet; see the agent's log, or give a longer --timeout")
        if report is None:
            continue
        good = good and report.attached
        if report.error is not None:
            print(f"Pod {name}: {report.error}")
        for network in report.networks:
            print(one_line(f"Pod {name}: {_line(network, report)}"))
    return 0 if good else 1


def _line(network: NetworkReport, report: PodReport) -> str:
    where = f"{network.interface or '(no interface)'} on {network.network}: {network.phase}"
    if network.error is not None:
        return f"{where}{'' if network.error == report.error else f': {network.error}'}"
    vlan = "" if network.vlan is None else f" {'untagged' if network.vlan == 0 else f'VLAN {network.vlan}'}"
    return f"{where} {','.join(network.addresses) or 'without address'}{vlan} MAC {network.mac}"
