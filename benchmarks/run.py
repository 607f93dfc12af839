"""Measure secnet beside its peers in one run: `python -m benchmarks.run --help` in the root of the workspace."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import cni, osvif
from .agent_process import import_times, measure_agent
from .goals import goals
from .machine import facts
from .ours import Ours
from .probes import Probes
from .report import lines
from .rounds import bursts, one_by_one, ovs_part, parts
from .world import World, new_world

__all__ = ["main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    rounds: int
    ovs_rounds: int
    part_rounds: int
    pods: int
    workers: int
    bursts: int
    import_rounds: int


_OUTPUT = Path("build/bench.json")
_FULL = Plan(rounds=200, ovs_rounds=100, part_rounds=100, pods=100, workers=8, bursts=3, import_rounds=11)
_QUICK = Plan(rounds=3, ovs_rounds=3, part_rounds=3, pods=4, workers=2, bursts=1, import_rounds=1)


def main() -> int:
    """Measure, write the JSON, print the report."""
    arguments = _arguments()
    if os.geteuid() != 0:
        print("benchmark: it makes network namespaces and links: run it as root", file=sys.stderr)
        return 2
    absent = {name: text for name, text in _absent(arguments.os_vif).items() if text}
    if absent and not arguments.quick:
        print(f"benchmark: {'; '.join(absent.values())}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    plan = _QUICK if arguments.quick else _FULL
    data: dict[str, Any] = {"machine": facts(), "not_measured": list(absent.values()), "plan": _plan_data(plan)}
    with new_world(plan.pods) as world:
        data["world"] = {"prefix": world.prefix, "directory": str(world.directory)}
        data |= _measure(world, plan, arguments.os_vif, absent)
    data["machine"]["load_after"] = os.getloadavg()[0]
    data["goals"] = goals(data)
    _write(arguments.json, data)
    print("\n".join(lines(data)))
    print(f"\nall numbers: {arguments.json}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Attach and detach beside the CNI plugins bridge+host-local and beside os-vif. See benchmarks/README.md.",
    )
    parser.add_argument("--json", type=Path, default=_OUTPUT, metavar="FILE", help="where the numbers go (%(default)s)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few rounds, to see that it works; the numbers mean nothing, and peers that are not installed are left out",
    )
    parser.add_argument(
        "--os-vif",
        type=Path,
        default=Path(".venv-bench/bin/python"),
        metavar="PYTHON",
        help="interpreter of the environment that has os-vif (%(default)s)",
    )
    return parser.parse_args()


def _absent(python: Path) -> dict[str, str]:
    return {"cni": cni.missing(), "os_vif": osvif.missing(python)}


def _plan_data(plan: Plan) -> dict[str, int]:
    return {name: getattr(plan, name) for name in plan.__slots__}


def _measure(world: World, plan: Plan, python: Path, absent: dict[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    with ExitStack() as stack:
        ours = Ours(world, "ours")
        stack.callback(ours.close)
        plugins = None
        if "cni" not in absent:
            plugins = cni.CniPlugins(world, plan.workers)
            stack.callback(plugins.close)
            data["cni_versions"] = plugins.versions()
        _say(f"one at a time, {plan.rounds} rounds")
        data["one_by_one"] = one_by_one(world, ours, plugins, plan.rounds)
        data["burst"] = bursts(world, ours, plugins, plan.bursts, plan.workers, _say)
    data["ovs_part"] = _measure_ovs(world, plan, python, absent)
    _say(f"where our time goes, {plan.part_rounds} rounds")
    probes = Probes()
    probed = Ours(world, "probed", probes)
    try:
        data["parts"] = parts(world, probed, probes, plan.part_rounds)
    finally:
        probed.close()
    _say(f"the agent with {plan.pods} attachments")
    data["agent"] = measure_agent(world)
    data["import"] = import_times(plan.import_rounds)
    return data


def _measure_ovs(world: World, plan: Plan, python: Path, absent: dict[str, str]) -> dict[str, Any]:
    _say(f"the OVS part, {plan.ovs_rounds} rounds")
    with ExitStack() as stack:
        port = osvif.OurPort(world)
        stack.callback(port.close)
        rival = None
        if "os_vif" not in absent:
            rival = osvif.OsVif(world, python)
            stack.callback(rival.close)
        measured = ovs_part(world, port, rival, plan.ovs_rounds)
        return measured | ({"os_vif_version": rival.version} if rival is not None else {})


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path == _OUTPUT:
        (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")  # numbers of one machine belong in no commit
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _say(what: str) -> None:
    print(f"benchmark: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
