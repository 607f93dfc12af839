"""The measurements themselves. Rivals take turns in each, so that whatever else the machine does hits all of them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .cni import CniPlugins
from .figures import ms, percentile, summary
from .osvif import OsVif, OurPort, device
from .ours import Ours
from .probes import Probes
from .proc import cpu_seconds
from .world import World, observed

__all__ = ["WARM_UP", "bursts", "one_by_one", "ovs_part", "parts"]

Say = Callable[[str], None]

_PORT_WAIT_SECONDS = 0.05  # the bridge plugin's first pause when the kernel does not call its port up yet
_VERBS = {"ADD": "attach", "DEL": "detach"}

WARM_UP = 3
"""Rounds before the measured ones: the first connects to the database and fills caches."""


class _Samples:
    """Attach and detach of one rival, and the CPU time they took."""

    def __init__(self) -> None:
        self.attach: list[float] = []
        self.detach: list[float] = []
        self.user = 0.0
        self.system = 0.0

    @contextmanager
    def counting(self, who: int) -> Iterator[None]:
        """Add the CPU time of this process (RUSAGE_SELF) or of the programs that it ran (RUSAGE_CHILDREN)."""
        before = resource.getrusage(who)
        yield
        after = resource.getrusage(who)
        self.user += after.ru_utime - before.ru_utime
        self.system += after.ru_stime - before.ru_stime

    def report(self) -> dict[str, Any]:
        """What the report says."""
        count = len(self.attach)
        return {
            "attach": summary(self.attach),
            "detach": summary(self.detach),
            "both": summary([a + d for a, d in zip(self.attach, self.detach, strict=True)]),
            "cpu_user_ms": ms(self.user / count),
            "cpu_system_ms": ms(self.system / count),
        }

    def without_waiting(self) -> dict[str, Any]:
        """The rounds in which the bridge plugin did not wait for its port, as far as the time of its attach tells."""
        limit = min(self.attach) + _PORT_WAIT_SECONDS
        both = [a + d for a, d in zip(self.attach, self.detach, strict=True) if a < limit]
        return {"waiting_rounds": len(self.attach) - len(both), "both_without_waiting": summary(both)}


class _Burst:
    """Seconds of whole bursts by verb, and the CPU seconds of named processes meanwhile."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._times: dict[str, list[float]] = {verb: [] for verb in _VERBS}
        self._cpu: dict[str, dict[str, list[float]]] = {verb: {} for verb in _VERBS}

    def keep(self, verb: str, seconds: float, **cpu: float) -> None:
        """Add one burst."""
        self._times[verb].append(seconds)
        for process, used in cpu.items():
            self._cpu[verb].setdefault(process, []).append(used)

    def report(self) -> dict[str, Any]:
        """What the report says; CPU time is per Pod."""
        return {
            name: {
                "seconds": [round(value, 3) for value in self._times[verb]],
                "per_second": round(self._count / percentile(self._times[verb], 50), 1),
                "cpu_ms": {who: ms(percentile(used, 50) / self._count) for who, used in self._cpu[verb].items()},
            }
            for verb, name in _VERBS.items()
        }


def one_by_one(world: World, ours: Ours, cni: CniPlugins | None, rounds: int) -> dict[str, Any]:
    """Attach and detach of one Pod, ours and the plugins' in turns; and what then stood in the Pod.

    After our removal the switch is given time to act on it, outside of what is measured: no caller waits for that, but the work
    would otherwise fall into the rival's time.
    """
    pod, mine, theirs = world.pods[0], _Samples(), _Samples()
    floor: list[float] = []
    seen: dict[str, Any] = {}
    for number in range(-WARM_UP, rounds):
        if number == 0:
            mine, theirs, floor = _Samples(), _Samples(), []
        with mine.counting(resource.RUSAGE_SELF):
            mine.attach.append(ours.attach(pod))
        seen["ours"] = seen.get("ours") or observed(pod)
        with mine.counting(resource.RUSAGE_SELF):
            mine.detach.append(ours.detach(pod))
        world.switch.settle()
        if cni is None:
            continue
        with theirs.counting(resource.RUSAGE_CHILDREN):
            theirs.attach.append(cni.attach(pod))
        seen["cni"] = seen.get("cni") or observed(pod)
        with theirs.counting(resource.RUSAGE_CHILDREN):
            theirs.detach.append(cni.detach(pod))
        floor.append(cni.floor())
    result = {"rounds": rounds, "work": seen, "ours": mine.report()}
    if cni is not None:
        if seen["ours"] != seen["cni"]:
            raise RuntimeError(f"the two did not do the same work: {seen}")
        result |= {"cni": theirs.report() | theirs.without_waiting(), "cni_exec_floor": summary(floor)}
    return result


def bursts(world: World, ours: Ours, cni: CniPlugins | None, repeats: int, workers: int, say: Say) -> dict[str, Any]:
    """All Pods at once, attached and then detached, by `workers` threads; ours and the plugins' in turns."""
    mine, theirs = _Burst(len(world.pods)), _Burst(len(world.pods))
    for repeat in range(repeats):
        say(f"burst {repeat + 1} of {repeats}: {len(world.pods)} Pods on {workers} workers")
        for verb in _VERBS:
            switch, python = cpu_seconds(world.switch.vswitchd), time.process_time()
            seconds = ours.all(verb, world.pods, workers)
            python = time.process_time() - python
            mine.keep(verb, seconds, python=python, ovs_vswitchd=cpu_seconds(world.switch.vswitchd) - switch)
            world.switch.settle()
        for verb in _VERBS if cni is not None else ():
            assert cni is not None
            theirs.keep(verb, cni.all(verb, world.pods))
    result: dict[str, Any] = {"pods": len(world.pods), "workers": workers, "repeats": repeats, "ours": mine.report()}
    return result if cni is None else result | {"cni": theirs.report()}


def ovs_part(world: World, port: OurPort, osvif: OsVif | None, rounds: int) -> dict[str, Any]:
    """One port on a link made beforehand, ours and os-vif's in turns. `unplug` is port and link, as os-vif does it."""
    pod = world.pods[0]
    mine: dict[str, list[float]] = {"plug": [], "unplug_port": [], "unplug": []}
    theirs: dict[str, list[float]] = {"plug": [], "unplug": []}
    for number in range(-WARM_UP, rounds):
        with device(pod, f"snours{number + WARM_UP}") as link:
            _keep(mine, number, plug=port.plug(link))
            without_link, whole = port.unplug(link)
            _keep(mine, number, unplug_port=without_link, unplug=whole)
        world.switch.settle()
        if osvif is None:
            continue
        with device(pod, f"snosvif{number + WARM_UP}") as link:
            _keep(theirs, number, plug=osvif.plug(link))
            _keep(theirs, number, unplug=osvif.unplug(link))
        world.switch.settle()
    result = {"rounds": rounds, "ours": _with_both(mine)}
    if osvif is not None:
        result["os_vif"] = _with_both(theirs)
    return result


def parts(world: World, ours: Ours, probes: Probes, rounds: int) -> dict[str, Any]:
    """Median own time of each span of attach and detach (see `probes`), and the time outside of all spans."""
    pod = world.pods[0]
    collected: dict[str, list[dict[str, float]]] = {"attach": [], "detach": []}
    for number in range(-WARM_UP, rounds):
        for name, function in (("attach", ours.attach), ("detach", ours.detach)):
            whole = function(pod)
            spans = probes.take()
            spans["pipeline"] = whole - sum(spans.values())
            if number >= 0:
                collected[name].append(spans)
        world.switch.settle()
    return {"rounds": rounds} | {name: _medians(rows) for name, rows in collected.items()}


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: ms(percentile([row.get(name, 0.0) for row in rows], 50)) for name in names}


def _keep(lists: dict[str, list[float]], number: int, **values: float) -> None:
    if number >= 0:
        for name, value in values.items():
            lists[name].append(value)


def _with_both(lists: dict[str, list[float]]) -> dict[str, Any]:
    result: dict[str, Any] = {name: summary(values) for name, values in lists.items()}
    result["both"] = summary([a + b for a, b in zip(lists["plug"], lists["unplug"], strict=True)])
    return result
