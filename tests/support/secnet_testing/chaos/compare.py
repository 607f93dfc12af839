"""Whether all that a world has recorded and made is what is desired: nothing twice, nothing left, nothing missing."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

from secnet.agent.model.record import Phase
from secnet.agent.state.reports import Reports

from ..netns import run_in
from .sources import Wanted
from .world import Machine, World

__all__ = ["differences"]


def differences(world: World) -> list[str]:
    """What differs; empty if nothing does. Of a world at rest."""
    found = [*_of_pods(world), *_of_pools(world)]
    for machine in world.machines:
        found += _of_node(world, machine)
    return found


def _of_pods(world: World) -> Iterator[str]:
    reports = {
        (report.pod.namespace, report.pod.name): (machine.index, report)
        for machine in world.machines
        for report in Reports(machine.node.run_dir).pods()
    }
    for key, wanted in world.pods.items():
        index, report = reports.pop(key, (None, None))
        if report is None or index != wanted.machine:
            yield f"Pod {'/'.join(key)} has no report on its node"
        elif not report.attached:
            errors = [str(each.error) for each in report.networks if each.error] or [str(report.error)]
            yield f"Pod {'/'.join(key)} is not attached: {'; '.join(errors)}"
        elif len(report.networks) != len(wanted.networks):
            yield f"Pod {'/'.join(key)} asks for {len(wanted.networks)} networks and has {len(report.networks)}"
    yield from (f"Pod {'/'.join(key)} has a report and does not exist" for key in reports)


def _of_pools(world: World) -> Iterator[str]:
    listed: Counter[tuple[str, str]] = Counter()
    for pool in world.source.pools():
        for entry in (pool.get("status") or {}).get("ipAddresses") or []:
            owner = entry["owner"]["pod"]
            listed[f"{owner['namespace']}/{owner['name']}", entry["ipAddress"]] += 1
    used: Counter[tuple[str, str]] = Counter()
    for wanted in world.pods.values():
        for address in _addresses(world, wanted):
            used["/".join(wanted.key), address] += 1
    if listed != used:
        yield f"in pools and not in Pods: {sorted(listed - used)}; in Pods and not in pools: {sorted(used - listed)}"
    twice = [address for address, count in Counter(address for _, address in used.elements()).items() if count > 1]
    if twice:
        yield f"addresses of two Pods: {twice}"


def _addresses(world: World, wanted: Wanted) -> list[str]:
    """Those of its secondary interfaces."""
    argv = ["nsenter", f"--net={world.source.netns(wanted)}", "--", "ip", "-j", "address", "show", "scope", "global"]
    links = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout or "[]")
    return [item["local"] for link in links for item in link.get("addr_info", ()) if item and link["ifname"] != "eth0"]


def _of_node(world: World, machine: Machine) -> Iterator[str]:
    node = machine.node
    here = {wanted.key: len(wanted.networks) for wanted in world.pods.values() if wanted.machine == machine.index}
    records = node.records()
    counted = Counter((record.pod.namespace, record.pod.name) for record in records if record.pod is not None)
    if dict(counted) != here:
        yield f"node {machine.index + 1}: records {dict(counted)}, desired {here}"
    yield from (
        f"node {machine.index + 1}: {each.key} is {each.phase}" for each in records if each.phase is not Phase.ATTACHED
    )
    hosts = sorted(str(record.attachment.names["host"]) for record in records)
    ports = sorted(name for name in node.ovs.rows()["Port"] if name.startswith("sn"))
    if ports != hosts:
        yield f"node {machine.index + 1}: ports {ports}, records {hosts}"
    links: list[dict[str, Any]] = json.loads(run_in(node.namespace, ["ip", "-j", "link", "show", "type", "veth"]))
    names = sorted(link["ifname"] for link in links if link["ifname"].startswith("sn"))
    if names != hosts:
        yield f"node {machine.index + 1}: links {names}, records {hosts}"
