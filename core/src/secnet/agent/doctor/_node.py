"""Privileges, Open vSwitch, and whether each installed driver says that it can work here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secnet.contract import ProbeReport, SecnetError
from secnet.linux.privileges import lacking
from secnet.ovs import look

from ..attach.plugin_calls import Plugins
from ._base import Host, Result, fail, ok, warn

__all__ = ["check_drivers", "check_ovs", "check_privileges", "ovs_users"]

# To make links, to enter the Pods' namespaces, and to announce addresses by packet sockets.
_CORE_CAPABILITIES = ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN")


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


def ovs_users(host: Host) -> list[str]:
    """Who needs Open vSwitch."""
    return host.needing(lambda needs: needs.services).get("ovsdb", [])


def check_ovs(host: Host) -> Iterator[Result]:
    """Where a network type uses Open vSwitch: it answers, has run, and has the datapath that is configured."""
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
    known = ", ".join(facts.datapath_types)
    what = f"OVS datapath {settings.datapath_type}"
    if settings.datapath_type in facts.datapath_types:
        yield ok(what, f"one of {known}")
    else:
        yield worse(what, f"ovs-vswitchd has only {known}", "load the module openvswitch, or set datapathType")


def check_drivers(host: Host) -> Iterator[Result]:
    """Every plugin that cannot be loaded, and what each network type says about this host."""
    for problem in host.registry.problems:
        remedy = problem.error.hint or "install another version of it"
        yield fail(f"plugin {problem.name} ({problem.distribution})", problem.error.message, remedy)
    plugins = Plugins(host.registry, host.settings, _no_objects())
    try:
        for name in sorted(host.registry.drivers):
            yield _probe(plugins, name, configured=bool(host.settings.drivers.get(name)))
    finally:
        plugins.close()


def _probe(plugins: Plugins, name: str, *, configured: bool) -> Result:
    what = f"network type {name}"
    try:
        report = plugins.drive(name, "probe", ProbeReport)
    except SecnetError as exc:
        return fail(what, exc.message, exc.hint or f"see `secnet drivers {name}`")
    if report.ready:
        return ok(what, "ready")
    worse = fail if configured else warn
    return worse(what, f"not ready: {report.message}", f"see `secnet drivers {name}`")


def _no_objects() -> Any:
    """Only backends are given the store, and none is made here."""
    return None
