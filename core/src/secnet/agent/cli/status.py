"""`secnet status`: every attachment of this node, with the last error where something is wrong."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secnet.contract import AttachmentId, ComponentState, PodRef, one_line, to_json

from ..config.settings import Settings
from ..model.pod import asks_for_networks, is_finished, pod_ref
from ..model.record import Record
from ..model.report import NetworkReport, PodReport, SingleReport, network_report, unworked_report
from ..plugins.registry import Registry
from ..process.source import objects_to_look_at
from ..state.journal import Journal
from ..state.reports import Reports
from ._common import add_config_options, add_json_option, load_all, print_table
from ._presence import look_for_reconciler

__all__ = ["add_parser", "print_reports", "run"]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status",
        help="show what is attached and what is wrong",
        description="Show the networks of this node's Pods: phase, addresses, VLAN, bridge and last error, and the per-node "
        "state of the drivers. Reads the run directory; works beside a running agent and without one.",
        epilog="exit status: 0 all is attached; 1 something is not, or an agent should reconcile here and does not.",
    )
    add_json_option(parser)
    add_config_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the node and its Pods."""
    registry, settings = load_all(arguments)
    reports = Reports(settings.run_dir)
    records = Journal.peek(settings.run_dir / "journal")
    pods = _with_unreported(reports.pods(), records, {single.key: single for single in reports.single()})
    pods = _with_unworked(pods, settings, registry)
    node = reports.node()
    problems = reports.problems()
    bad = any(not pod.attached for pod in pods) or any(state.error or not state.report.ready for state in node)
    seen = look_for_reconciler(settings)
    bad = bad or seen.missing or any(not problem.note for problem in problems)
    if arguments.json:
        data = {
            "node": settings.node_name,
            "reconciler": seen.as_data(),
            "drivers": to_json(node),
            "problems": to_json(problems),
            "pods": to_json(pods),
        }
        print(json.dumps(data, indent=2))
        return int(bad)
    print(seen.line)
    for state in node:
        if state.error is not None:
            print(f"node {settings.node_name}: network type {state.network_type}: {state.error}")
        for finding in state.report.findings:
            line = f"node {settings.node_name}: network type {state.network_type}: {finding.code}: {finding.message}"
            print(one_line(line))
        for component in state.observation.components:
            if component.state is not ComponentState.UP:
                print(f"node {settings.node_name}: network type {state.network_type}: {component}")
    for problem in problems:
        print(problem)
    print_reports(pods, registry)
    return int(bad)


def print_reports(pods: tuple[PodReport, ...], registry: Registry) -> None:
    """The table of networks, with the columns of the installed network types, and below it one line for each error."""
    columns = {
        column.key: column.title
        for _, plugin in sorted(registry.drivers.items())
        for column in plugin.info.status_columns
    }
    rows = [_row(pod, network, columns) for pod in pods for network in pod.networks]
    header = ("POD", "NETWORK", "INTERFACE", "TYPE", "PHASE", "ADDRESSES", "VLAN", *columns.values(), "MAC")
    print_table(header, rows, empty="no Pod of this node has secondary networks")
    for line in (*_errors(pods), *_notes(pods)):
        print(one_line(line))


def _row(pod: PodReport, network: NetworkReport, keys: Iterable[str]) -> tuple[Any, ...]:
    return (
        str(pod.pod),
        network.network,
        network.interface,
        network.network_type,
        "Outdated" if network.outdated and network.error is None else network.phase,
        ",".join(network.addresses),
        "untagged" if network.vlan == 0 else network.vlan,
        *(network.details.get(key) for key in keys),
        network.mac,
    )


def _errors(pods: tuple[PodReport, ...]) -> Iterator[str]:
    for pod in pods:
        if pod.error is not None:
            yield f"Pod {pod.pod}: {pod.error}"
        for network in pod.networks:
            if network.error is not None and network.error != pod.error:
                yield f"Pod {pod.pod}: {network.interface or network.network}: {network.error}"


def _notes(pods: tuple[PodReport, ...]) -> Iterator[str]:
    for pod in pods:
        for network in pod.networks:
            yield from (f"Pod {pod.pod}: {network.interface}: {note}" for note in network.notes)


def _with_unreported(
    pods: tuple[PodReport, ...], records: Iterable[Record], found: Mapping[AttachmentId, SingleReport]
) -> tuple[PodReport, ...]:
    """Add what the journal holds and no report shows: the agent died between the two, or a caller of the CNI plugin made it.

    found: what the last check found on what such callers made.
    """
    shown = {(pod.pod.uid, network.interface) for pod in pods for network in pod.networks}
    extra = [
        PodReport(pod=record.pod or _unknown_pod(record), networks=(_unreported(record, found.get(record.key)),))
        for record in records
        if record.pod is None or (record.pod.uid, record.key.ifname) not in shown
    ]
    return tuple(sorted([*pods, *extra], key=lambda pod: (pod.pod.namespace, pod.pod.name)))


def _with_unworked(pods: tuple[PodReport, ...], settings: Settings, registry: Registry) -> tuple[PodReport, ...]:
    """Add the Pods of the manifest store that no reconciler has seen. Of those in the Kubernetes API the agent writes."""
    if settings.kubernetes is not None:
        return pods
    shown = {report.pod.uid for report in pods}
    with objects_to_look_at(settings, registry) as objects:
        waiting = [pod for pod in objects.list("Pod") if asks_for_networks(pod) and not is_finished(pod)]
    here = [pod_ref(pod) for pod in waiting if pod_ref(pod).node in ("", settings.node_name)]
    hint = "start `secnet agent`, or run `secnet apply`"
    extra = [unworked_report(pod, hint) for pod in here if pod.uid not in shown]
    return tuple(sorted([*pods, *extra], key=lambda report: (report.pod.namespace, report.pod.name)))


def _unreported(record: Record, found: SingleReport | None) -> NetworkReport:
    return network_report(record, found.error, in_use=found.in_use) if found is not None else network_report(record)


def _unknown_pod(record: Record) -> PodRef:
    """In the place of the Pod where a caller named none."""
    return PodRef(namespace="sandbox", name=record.key.container_id[:13], uid="")
