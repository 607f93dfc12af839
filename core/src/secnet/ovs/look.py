"""A short read-only inspection of an Open vSwitch, for `secnet doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .target import select_rows

__all__ = ["OvsFacts", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OvsFacts:
    """version: as the distribution's start script wrote it; often empty. datapath_types: empty until ovs-vswitchd has run.

    ports: the external_ids of each port by its name.
    """

    version: str = ""
    datapath_types: tuple[str, ...] = ()
    ports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def look(target: str, timeout: float = 2.0) -> OvsFacts:
    """Read it on a connection of its own. Raises Unavailable, or MissingPrivilege if the socket refuses us."""
    switches = select_rows(target, "Open_vSwitch", ("ovs_version", "datapath_types"), timeout)
    ports = select_rows(target, "Port", ("name", "external_ids"), timeout)
    first = switches[0] if switches else {}
    version, datapaths = first.get("ovs_version"), first.get("datapath_types")
    return OvsFacts(
        version=version if isinstance(version, str) else "",
        datapath_types=tuple(sorted(datapaths))
        if isinstance(datapaths, list)
        else (str(datapaths),)
        if datapaths
        else (),
        ports={str(row["name"]): dict(row["external_ids"]) for row in ports},
    )
