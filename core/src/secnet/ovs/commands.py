"""Changes to the database. Each reads what is there and writes the difference inside one transaction.

A command runs again from the start when the rows it verified changed meanwhile, so it must not remember anything.
"""

from __future__ import annotations

from typing import Any

from ovsdbapp.backend.ovs_idl.command import BaseCommand

from secnet.contract import Conflict, NotReady

from .rows import bridge_of, find
from .types import KEY_ID, OWNER_ID, BridgeSpec, PortSpec

__all__ = ["AddPort", "DeleteBridge", "DeletePort", "EnsureBridge"]


class EnsureBridge(BaseCommand):  # type: ignore[misc]  # ovsdbapp has no types
    """Make the bridge, or reconcile one of ours with its spec. A bridge of another owner is left as it is."""

    def __init__(self, api: Any, spec: BridgeSpec) -> None:
        super().__init__(api)
        self.spec = spec

    def run_idl(self, txn: Any) -> None:
        tables, spec = self.api.tables, self.spec
        row = find(tables, "Bridge", spec.name)
        if row is None:
            self._refuse_taken(tables)
            row = txn.insert(tables["Bridge"])
            row.name = spec.name
            _root(tables).addvalue("bridges", row)
            local = _insert_port(txn, tables, spec.name, "internal")
            row.addvalue("ports", local)
        elif row.external_ids.get(OWNER_ID) != spec.owner:
            return
        else:
            local = next((port for port in row.ports if port.name == spec.name), None)
        _set(row, "datapath_type", spec.datapath_type)
        _set(row, "mcast_snooping_enable", spec.mcast_snooping)
        _set(row, "fail_mode", [spec.fail_mode] if spec.fail_mode else [])
        _merge_ids(row, spec.all_ids)
        if local is not None:
            # The local port would otherwise be a trunk that hands the host every tenant's broadcast.
            _set(local, "tag", [0])
            _set(local, "vlan_mode", ["access"])

    def _refuse_taken(self, tables: Any) -> None:
        if find(tables, "Port", self.spec.name) is not None:
            raise Conflict(
                "another bridge has a port of this name",
                hint="choose another bridge name, or remove the port",
                subject=f"OVS bridge {self.spec.name}",
            )


class DeleteBridge(BaseCommand):  # type: ignore[misc]  # ovsdbapp has no types
    """Remove a bridge of ours. `result`: whether it is gone; False for one of another owner or with ports left."""

    def __init__(self, api: Any, name: str, owner: str) -> None:
        super().__init__(api)
        self.name = name
        self.owner = owner

    def run_idl(self, txn: Any) -> None:
        row = find(self.api.tables, "Bridge", self.name)
        if row is None:
            self.result = True
            return
        row.verify("ports")
        if row.external_ids.get(OWNER_ID) != self.owner or any(port.name != self.name for port in row.ports):
            self.result = False
            return
        _root(self.api.tables).delvalue("bridges", row)
        row.delete()
        self.result = True


class AddPort(BaseCommand):  # type: ignore[misc]  # ovsdbapp has no types
    """Make the port with its interface, or bring one of ours to its spec. Raises NotReady or Conflict."""

    def __init__(self, api: Any, spec: PortSpec) -> None:
        super().__init__(api)
        self.spec = spec

    def run_idl(self, txn: Any) -> None:
        tables, spec = self.api.tables, self.spec
        bridge = find(tables, "Bridge", spec.bridge)
        if bridge is None:
            raise NotReady(
                "the bridge does not exist",
                hint="it is tried again; add the bridge to ovsBridges in the node configuration",
                subject=f"OVS bridge {spec.bridge}",
            )
        port = find(tables, "Port", spec.name)
        if port is None:
            port = _insert_port(txn, tables, spec.name, spec.type)
            bridge.addvalue("ports", port)
        else:
            self._require_ours(port)
        _set(port, "tag", [] if spec.tag is None else [spec.tag])
        _set(port, "vlan_mode", [spec.vlan_mode] if spec.vlan_mode else [])
        _set(port, "trunks", [])
        _merge_ids(port, spec.all_ids)

    def _require_ours(self, port: Any) -> None:
        spec, ids = self.spec, port.external_ids
        holder = bridge_of(self.api.tables, port)
        where = holder.name if holder is not None else "no bridge"
        if ids.get(OWNER_ID) != spec.owner or ids.get(KEY_ID) != spec.key:
            what = "a port of this name exists that is not ours"
        elif where != spec.bridge:
            what = f"the port exists on {where}, not on {spec.bridge}"
        else:
            return
        raise Conflict(
            f"{what} (on {where})",
            hint=f"inspect it with `ovs-vsctl list port {spec.name}`, and remove it if nothing uses it",
            subject=f"OVS port {spec.name}",
        )


class DeletePort(BaseCommand):  # type: ignore[misc]  # ovsdbapp has no types
    """Remove a port of ours. `result`: whether it is gone; False for one of another owner."""

    def __init__(self, api: Any, name: str, owner: str, key: str | None) -> None:
        super().__init__(api)
        self.name = name
        self.owner = owner
        self.key = key

    def run_idl(self, txn: Any) -> None:
        port = find(self.api.tables, "Port", self.name)
        if port is None:
            self.result = True
            return
        ids = port.external_ids
        if ids.get(OWNER_ID) != self.owner or (self.key is not None and ids.get(KEY_ID) != self.key):
            self.result = False
            return
        bridge = bridge_of(self.api.tables, port)
        if bridge is not None:
            bridge.delvalue("ports", port)
        for interface in list(port.interfaces):
            interface.delete()
        port.delete()
        self.result = True


def _root(tables: Any) -> Any:
    """The one row of the table Open_vSwitch, which holds all bridges. A new database has none until something makes it."""
    for row in tables["Open_vSwitch"].rows.values():
        return row
    raise NotReady(
        "the database of Open vSwitch is empty: its table Open_vSwitch has no row",
        hint="run `ovs-vsctl init` once after ovsdb-server was started, as Open vSwitch's own start script does",
        subject="Open vSwitch",
    )


def _insert_port(txn: Any, tables: Any, name: str, kind: str) -> Any:
    interface = txn.insert(tables["Interface"])
    interface.name = name
    interface.type = kind
    port = txn.insert(tables["Port"])
    port.name = name
    port.interfaces = [interface]
    return port


def _set(row: Any, column: str, value: Any) -> None:
    """Write only a difference: an equal value would still make the transaction reach the server."""
    if getattr(row, column, None) != value:  # a row of this transaction has no values yet
        setattr(row, column, value)


def _merge_ids(row: Any, ids: dict[str, str]) -> None:
    present = getattr(row, "external_ids", None)
    if present is None:
        row.external_ids = ids
        return
    for key, value in ids.items():
        if present.get(key) != value:
            row.setkey("external_ids", key, value)
