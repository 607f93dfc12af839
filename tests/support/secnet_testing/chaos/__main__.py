"""The program; see the package."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import grpc

from ..kubeapi.admin import Rejected
from .actions import ACTIONS
from .compare import differences
from .world import World, play_world

_SOURCES = ("manifests", "api")
_QUIET = "quiet moments"
_QUIET_SECONDS = 120.0
_BURST = (5, 40)
_PAUSE = 0.4


def main() -> int:
    """Run until the time is over, or something differs. The exit status says which."""
    arguments = _arguments()
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    sources = _SOURCES if arguments.source == "both" else (arguments.source,)
    return max(_play(source, arguments.nodes, arguments.minutes / len(sources), seed) for source in sources)


def _play(source: str, nodes: int, minutes: float, seed: int) -> int:
    """One world; 1 if something differed in it."""
    print(f"chaos: seed {seed}, {source}, {nodes} nodes, {minutes:g} minutes", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="sn-chaos-"))
    counts: Counter[str] = Counter()
    with play_world(folder, nodes, with_api=source == "api") as world:
        fault = _run(world, random.Random(seed), time.monotonic() + 60 * minutes, counts)
        if fault:
            for machine in world.machines:
                print(machine.node.logs())
    if not fault:
        shutil.rmtree(folder)
    quiet = counts.pop(_QUIET, 0)
    print(f"chaos: {counts.total()} actions ({', '.join(f'{name} {n}' for name, n in sorted(counts.items()))})")
    print(f"chaos: {quiet} quiet moments compared, {'DIFFERENCES' if fault else 'no difference'}; seed {seed}")
    if fault:
        print(f"chaos: {fault}\nthe agents' logs are in {folder}", file=sys.stderr)
    return int(bool(fault))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__package__ and sys.modules[__package__].__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="default: 4")
    parser.add_argument("--nodes", type=int, choices=(1, 2), default=2, help="default: 2")
    parser.add_argument(
        "--source",
        choices=(*_SOURCES, "both"),
        default="both",
        help="of the objects, half of the time each; default: both",
    )
    parser.add_argument("--seed", type=int, help="of the actions; drawn and printed unless given")
    return parser.parse_args()


def _run(world: World, rng: random.Random, until: float, counts: Counter[str]) -> str:
    """What differed after a quiet moment; empty if nothing did until the time was over."""
    actions, weights = list(ACTIONS), list(ACTIONS.values())
    while True:
        history = []
        for _ in range(rng.randint(*_BURST)):
            action = rng.choices(actions, weights)[0]
            history.append(f"{time.strftime('%H:%M:%S')} {action.__name__}: {action(world, rng)}")
            counts[action.__name__] += 1
            time.sleep(rng.uniform(0, _PAUSE))
        if found := _settle(world):
            return "\n".join(["since the last quiet moment:", *history, "what differs now:", *found])
        counts[_QUIET] += 1
        if time.monotonic() >= until:
            return ""


def _settle(world: World) -> list[str]:
    """End the faults, and wait until nothing differs; what still does when the time is up."""
    world.end_faults()
    deadline = time.monotonic() + _QUIET_SECONDS
    while True:
        found = _look(world)
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(0.5)


def _look(world: World) -> list[str]:
    """Differences. What cannot be looked at is one."""
    try:
        return differences(world)
    except (AssertionError, OSError, ValueError, subprocess.SubprocessError, grpc.RpcError, Rejected) as exc:
        return [f"cannot be compared: {exc}"]


if __name__ == "__main__":
    raise SystemExit(main())
