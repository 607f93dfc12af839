"""Privileges, Open vSwitch, and whether each installed driver says that it can work here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from secnet.contract import Call, ComponentState, SecnetError
from secnet.linux.privileges import lacking
from secnet.ovs import look

from ..attach.plugin_calls import Plugins
from ..config.settings import Settings
from ..preflight.node_labels import remembered_labels
from ..state.journal import Journal
from ..state.presence import read_reconciler
from ._base import Host, Result, fail, ok, warn

__all__ = ["check_agent", "check_drivers", "check_node_group", "check_ovs", "check_privileges", "ovs_users"]

# To make links, to enter the Pods' namespaces, and to announce addresses by packet sockets.
_CORE_CAPABILITIES = ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN")

_PLUGIN_SECONDS = 5.0


def check_privileges(host: Host) -> Iterator[Result]:
    """One result for each capability that the core or a network type needs."""
    needed: dict[str, list[str]] = {name: ["the core"] for name in _CORE_CAPABILITIES}
    for name, users in host.needing(lambda needs: needs.privileges).items():
        needed.setdefault(name, []).extend(users)
    for name, users in sorted(needed.items()):
        try:
            missing = lacking(host.path("/proc"), name)
        except KeyError:
            yield warn(name, f"is not known here, but {', '.join(users)} needs it", "see what that plugin says")
            continue
        if missing:
            remedy = "run the agent as root, or add it to the capabilities of its container"
            yield fail(name, f"missing, needed by {', '.join(users)}", remedy)
        else:
            yield ok(name, "granted")


def check_agent(host: Host) -> Iterator[Result]:
    """Whether a process reconciles this node."""
    settings, what = host.settings, "agent"
    found = read_reconciler(settings.run_dir)
    if found is None:
        if settings.kubernetes is not None:
            yield warn(what, "none has run on this node yet", "deploy it, and look at its log if it does not start")
        return
    name = f"{found.role} {found.version}, pid {found.pid}"
    if not found.runs:
        worse = fail if found.is_agent or settings.kubernetes is not None else warn
        yield worse(what, f"does not run; the last was {name}", "start it: until then nothing here is reconciled")
    elif found.is_overdue(time.time()):
        yield fail(what, f"{name} has not resynced for long", "look at its log, and whether the process hangs")
    else:
        yield ok(what, f"{name}, reconciles this node")


def check_node_group(host: Host) -> Iterator[Result]:
    """Which node group the settings of this command are of, where there are groups."""
    settings, what = host.settings, "node group"
    if not settings.node_groups:
        return
    if settings.kubernetes is None:
        yield warn(what, "none: without the Kubernetes API no Node has labels", "remove nodeGroups, or add kubernetes")
    elif remembered_labels(settings) is None:
        remedy = "start the agent, which reads them, and look again"
        yield warn(what, "the labels of this Node are not known yet, so these are the settings without a group", remedy)
    else:
        yield ok(what, settings.node_group or f"none matches, of {', '.join(sorted(settings.node_groups))}")


def ovs_users(host: Host) -> list[str]:
    """Who needs Open vSwitch."""
    return host.needing(lambda needs: needs.services).get("ovsdb", [])


def check_ovs(host: Host) -> Iterator[Result]:
    """Where a network type uses Open vSwitch: it answers, and ovs-vswitchd has run on it."""
    users = ovs_users(host)
    if not users:
        return
    settings, worse = host.settings, host.worse(users)
    what = "Open vSwitch"
    try:
        facts = look(settings.ovsdb)
    except SecnetError as exc:
        remedy = "start ovsdb-server, mount the directory of its socket, or correct ovsdb"
        yield worse(what, f"{settings.ovsdb}: {exc.message}", remedy)
        return
    if not facts.datapath_types:
        yield worse(what, "its database answers, but ovs-vswitchd never ran on it", "start ovs-vswitchd")
        return
    yield ok(what, f"{facts.version or 'of unknown version'}, answers at {settings.ovsdb}")


def check_drivers(host: Host) -> Iterator[Result]:
    """Every plugin that cannot be loaded, and what each network type says about this host."""
    for problem in host.registry.problems:
        remedy = problem.error.hint or "install another version of it"
        yield fail(f"plugin {problem.name} ({problem.distribution})", problem.error.message, remedy)
    plugins = Plugins(host.registry, host.settings, _no_objects())
    try:
        names = sorted(host.registry.drivers)
        with ThreadPoolExecutor(len(names) or 1) as pool:  # one that does not answer delays no other
            for results in pool.map(lambda name: list(_of_type(host, plugins, name)), names):
                yield from results
        for name, plugin in sorted(host.registry.backends.items()):
            if not plugin.info.kinds:  # one that works on objects of the cluster has no store here
                yield from _own(f"IPAM type {name}", partial(_of_backend, plugins, name))
    finally:
        plugins.close()


def _of_type(host: Host, plugins: Plugins, name: str) -> Iterator[Result]:
    """All about one network type."""
    yield _probe(host, plugins, name)
    if host.settings.drivers.get(name):
        yield from _components(plugins, host.settings, name)
    yield from _own(f"network type {name}", partial(_of_driver, plugins, name))


def _components(plugins: Plugins, settings: Settings, name: str) -> Iterator[Result]:
    """What a driver sees of its part of the node."""
    records = Journal.peek(settings.run_dir / "journal")
    living = tuple(record.attachment for record in records if record.network_type == name)
    try:
        seen = plugins.driver(name).observe_node(Call.within(_PLUGIN_SECONDS).about(living))
    except SecnetError as exc:
        yield warn(
            f"node of network type {name}", f"cannot be observed: {exc.message}", exc.hint or "see the agent's log"
        )
        return
    for component in seen.components:
        what = f"{component.kind} {component.name}"
        if component.state is ComponentState.UP:
            yield ok(what, f"up, serves network type {name}")
        else:
            worse = fail if component.state is ComponentState.DOWN else warn
            cut_off = f"; {len(component.stranded)} interfaces cut off by it" if component.stranded else ""
            finding = f"{component.state.lower()}: {component.message or 'no reason is given'}{cut_off}"
            yield worse(what, f"{finding}, serves network type {name}", "see `secnet status` and the agent's log")


def _of_driver(plugins: Plugins, name: str, call: Call) -> tuple[Result, ...]:
    return plugins.driver(name).doctor(call)


def _of_backend(plugins: Plugins, name: str, call: Call) -> tuple[Result, ...]:
    return plugins.backend(name).doctor(call)


def _own(what: str, ask: Callable[[Call], tuple[Result, ...]]) -> Iterator[Result]:
    """What a plugin itself checks."""
    try:
        results = ask(Call.within(_PLUGIN_SECONDS))
    except SecnetError as exc:
        yield warn(what, f"its own checks failed: {exc.message}", exc.hint or "report it to its authors")
        return
    yield from results


def _probe(host: Host, plugins: Plugins, name: str) -> Result:
    what = f"network type {name}"
    try:
        report = plugins.driver(name).probe()
    except SecnetError as exc:
        return fail(what, exc.message, exc.hint or f"see `secnet drivers {name}`")
    if report.ready:
        return ok(what, "ready")
    return host.worse([name])(what, f"not ready: {report.message}", f"see `secnet drivers {name}`")


def _no_objects() -> Any:
    """Only backends are given the store, and none is made here."""
    return None
