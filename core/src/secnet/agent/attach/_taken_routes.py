"""The default routes that `default-route` takes from the Pod's other interfaces, and gives back when the network goes.

They are recorded whole before one of them is removed. What is not recorded is never removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from secnet.contract import Busy, Call, Permanent, Unsupported, from_json, to_json
from secnet.linux.rtnl import KernelRoute, Rtnl, SavedRoute
from secnet.linux.saved_routes import saved_route

from ._routes import DEFAULTS

__all__ = ["give_back", "recorded_routes", "routes_to_take", "take"]

_KEY = "taken_routes"
_FORMER_KEY = "default_routes"  # of records that agents before 0.1.0 wrote: the fields of a KernelRoute


def recorded_routes(layer3: Mapping[str, Any]) -> tuple[SavedRoute, ...]:
    """Those of a record's `layer3`."""
    former = [saved_route(i["ifname"], from_json(KernelRoute, i["route"])) for i in layer3.get(_FORMER_KEY, ())]
    return (*former, *(from_json(SavedRoute, item) for item in layer3.get(_KEY, ())))


def routes_to_take(pod: Rtnl, ifname: str, families: Collection[int], layer3: Mapping[str, Any]) -> dict[str, Any]:
    """What to record: the default routes that stand in the way now, after those taken before, each once.

    ifname: of the interface that is to have the default routes. Raises Unsupported for a route that could not be given back.
    """
    now = _of_others(pod, ifname, families)
    for route in now:
        if route.obstacle:
            raise Unsupported(
                f"the Pod has the route {route}, which could not be given back later: {route.obstacle}",
                hint="remove default-route from the annotation, or that route from the Pod",
            )
    before = recorded_routes(layer3)
    known, there = {route.way for route in before}, {route.way: route for route in now}
    new = [route for route in now if route.way not in known]
    # A new route in the place of one taken before has succeeded it: that one is given up, as `give_back` would.
    succeeded = {route.place for route in new}
    routes = (*(there.get(r.way, r) for r in before if r.place not in succeeded), *new)
    return {_KEY: to_json(routes)} if routes else {}


def _of_others(pod: Rtnl, ifname: str, families: Iterable[int]) -> list[SavedRoute]:
    found = (route for family in sorted(families) for route in pod.whole_routes(DEFAULTS[family]))
    return [route for route in found if set(route.ifnames) != {ifname}]


def take(pod: Rtnl, ifname: str, families: Collection[int], layer3: Mapping[str, Any], call: Call) -> None:
    """Remove the recorded ones. Raises Busy, with nothing removed, if another one appeared since they were recorded."""
    recorded = {route.way for route in recorded_routes(layer3)}
    there = _of_others(pod, ifname, families)
    for route in there:
        if route.way not in recorded:
            raise Busy(
                f"the Pod got the route {route} while {ifname} was to get the default route", hint="it is tried again"
            )
    for route in there:
        with call.step("route.take", route=str(route)):
            pod.remove_route(route)


def give_back(pod: Rtnl, ifname: str, layer3: Mapping[str, Any], call: Call) -> None:
    """Give back each recorded route whose place is free; where another one stands by then, that one stays."""
    recorded = recorded_routes(layer3)
    if not recorded:
        return
    ways = {route.way for route in recorded}
    succeeded = {route.place: route for route in _of_others(pod, ifname, (4, 6)) if route.way not in ways}
    for route in recorded:
        if (successor := succeeded.get(route.place)) is not None:
            call.log.info("the route %s is not given back: the Pod has %s in its place", route, successor)
            continue
        with call.step("route.restore", route=str(route)):
            _give_back(pod, route, call)


def _give_back(pod: Rtnl, route: SavedRoute, call: Call) -> None:
    """What the kernel refuses now and for ever, as the Pod's addresses changed, must not keep the network from going."""
    try:
        if not pod.give_back_route(route):
            call.log.info("the route %s is not given back: its interface is gone", route)
    except Permanent as exc:
        call.log.warning("the route %s cannot be given back: %s", route, exc)
