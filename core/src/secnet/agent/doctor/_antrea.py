"""Whether an Antrea agent makes secondary networks too: it would take our addresses for leftovers and free them."""

from __future__ import annotations

from collections.abc import Iterator

from secnet.contract import SecnetError
from secnet.ovs import look

from ..preflight.antrea import AntreaState, look_at_antrea
from ._base import ApiReader, Host, Result, fail, ok, warn
from ._node import ovs_users

__all__ = ["check_antrea"]


def check_antrea(host: Host) -> Iterator[Result]:
    """By its configuration in the cluster, and by the ports that it left in Open vSwitch."""
    if host.api is not None:
        yield _configured(host.api)
    if not ovs_users(host):
        return
    try:
        ports = look(host.settings.ovsdb).ports
    except SecnetError:
        return  # said by the check of Open vSwitch
    what = "ports of Antrea's secondary networks"
    # It writes the interface's name only where that is not the Pod's first one.
    found = sorted(name for name, ids in ports.items() if ids.get("antrea-type") == "container" and "if-dev" in ids)
    if found:
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        yield warn(what, f"there are {shown}", "recreate their Pods, once Antrea's feature is off")
    else:
        yield ok(what, "none")


def _configured(api: ApiReader) -> Result:
    what = "Antrea agent"
    verdict = look_at_antrea(api)
    if verdict.state is AntreaState.OFF:
        return ok(what, verdict.finding)
    return (fail if verdict.state is AntreaState.ON else warn)(what, verdict.finding, verdict.remedy)
