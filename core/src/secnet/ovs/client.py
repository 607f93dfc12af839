"""The client that drivers use; see the package for an example."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from secnet.contract import Call, Unavailable, Unsupported, VerifyFailed

from . import target as server
from .errors import from_interface
from .rows import find, read_bridge, read_bridges, read_port, read_ports
from .types import BridgeSpec, BridgeState, PortSpec, PortState, ready

if TYPE_CHECKING:
    from .session import Session

__all__ = ["OvsClient"]

_PAUSE = 0.1  # seconds between two looks whether the call that waits was withdrawn


class OvsClient:
    """Bridges and ports of one Open vSwitch. Thread-safe; connects at the first call and again after the server was away.

    target: `unix:PATH` or `tcp:ADDRESS:PORT`. timeout: seconds that the server, and ovs-vswitchd for a new port, may take; a
    call's own deadline limits it further. Every method raises Unavailable while the server is absent or hangs.
    """

    def __init__(self, target: str, *, timeout: float = 10.0) -> None:
        server.check_target(target)
        self._target = target
        self._timeout = timeout
        self._connecting = threading.Lock()  # held while connecting, so that one caller at a time does
        self._session: Session | None = None
        self._closed = False

    def probe(self, timeout: float = 1.0) -> None:
        """Prove that the server answers; opens nothing that stays. Raises Unavailable or MissingPrivilege."""
        _commands()
        server.echo(self._target, timeout)

    def bridge(self, name: str, call: Call) -> BridgeState | None:
        """The bridge of this name; None if there is none."""
        return self._open(call).read(lambda tables: read_bridge(tables, name), call, question=("bridge", name))

    def has_bridge(self, name: str, call: Call) -> bool:
        """Whether there is a bridge of this name; cheaper than `bridge`, which reads its ports."""
        return self._open(call).read(lambda tables: find(tables, "Bridge", name) is not None, call)

    def bridges(self, owner: str, call: Call) -> tuple[BridgeState, ...]:
        """The bridges with this owner tag."""
        found = self._open(call).read(read_bridges, call, question="bridges")
        return tuple(bridge for bridge in found if bridge.owner == owner)

    def port(self, name: str, call: Call, *, age: float = 0.0) -> PortState | None:
        """The port of this name on whatever bridge; None if there is none.

        age: seconds. If the server proved within them that it answers, it is not asked again: for a round of checks.
        """
        return self._open(call).read(lambda tables: read_port(tables, name), call, question=("port", name), age=age)

    def ports(self, owner: str, call: Call, *, age: float = 0.0) -> tuple[PortState, ...]:
        """The ports with this owner tag. age: see `port`."""
        found = self._open(call).read(read_ports, call, question="ports", age=age)
        return tuple(port for port in found if port.owner == owner)

    def ensure_bridge(self, spec: BridgeSpec, call: Call) -> BridgeState:
        """Make the bridge, or bring one with the spec's owner to the spec, and wait until ovs-vswitchd opened it.

        external_ids are merged; the local port is an access port of VLAN 0. A bridge of another owner is used as it
        stands: nothing of it is written, and the state returned shows whether it suits. Raises Conflict if another bridge
        has a port of that name.
        """
        subject = f"OVS bridge {spec.name}"
        session = self._open(call)
        with session.watching(spec.name, call) as changed:
            session.commit(lambda api: _commands().EnsureBridge(api, spec), "making the bridge", subject, call)
            local = _settled(session, spec.name, subject, changed, call)
        state = session.read(lambda tables: read_bridge(tables, spec.name), call)
        if state is None:
            raise VerifyFailed("the bridge is gone right after it was made", hint="it is tried again", subject=subject)
        if not ready(local):
            raise from_interface(local.error, subject)
        return state

    def delete_bridge(self, name: str, owner: str, call: Call) -> bool:
        """Remove a bridge with this owner tag and no ports. True if it is gone, False if it had to stay."""
        return bool(
            self._open(call).commit(
                lambda api: _commands().DeleteBridge(api, name, owner),
                "removing the bridge",
                f"OVS bridge {name}",
                call,
            )
        )

    def add_port(self, spec: PortSpec, call: Call) -> PortState:
        """Make a port by one transaction and wait until ovs-vswitchd took it; returns it as read back.

        A port that exists is accepted, and brought to the spec, only with the spec's owner and key on the spec's bridge; else
        Conflict. Raises NotReady without the bridge or the device, VerifyFailed if it reads back otherwise. On any error the
        port may exist: `delete_port` removes it.
        """
        subject = f"OVS port {spec.name}"
        session = self._open(call)
        with session.watching(spec.name, call) as changed:
            session.commit(lambda api: _commands().AddPort(api, spec), "adding the port", subject, call)
            port = _settled(session, spec.name, subject, changed, call)
        if not ready(port):
            raise from_interface(port.error, subject)
        _require_equal(spec, port)
        return port

    def delete_port(self, name: str, owner: str, call: Call, *, key: str | None = None) -> bool:
        """Remove the port if it has this owner tag (and key, if given), without waiting for ovs-vswitchd.

        True if it is gone, also if it never was; False if the port of that name has another owner and stays.
        """
        return bool(
            self._open(call).commit(
                lambda api: _commands().DeletePort(api, name, owner, key),
                "removing the port",
                f"OVS port {name}",
                call,
            )
        )

    def close(self) -> None:
        """Leave no thread and no descriptor. May be called twice; the client cannot be used afterwards."""
        self._closed = True
        with self._connecting:  # a thread that connects now notices soon and gives up
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _open(self, call: Call) -> Session:
        """The session, connected by the first caller; the others wait for it no longer than their calls allow."""
        session = self._session
        if session is not None:
            return session

        def checkpoint() -> None:
            call.checkpoint()
            self._require_open()

        deadline = time.monotonic() + call.remaining(self._timeout)
        while not self._connecting.acquire(timeout=_PAUSE):
            checkpoint()
            if time.monotonic() >= deadline:
                raise Unavailable(
                    "another call is still connecting to the OVSDB server",
                    hint="it is tried again; look whether ovsdb-server hangs",
                    subject=self._target,
                )
        try:
            self._require_open()
            if self._session is None:
                _commands()
                from .session import Session

                self._session = Session(self._target, self._timeout, call, checkpoint)
            return self._session
        finally:
            self._connecting.release()

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("the OVS client is closed", hint="make a new one", subject=self._target)


def _commands() -> ModuleType:
    """The module of the commands, loaded when first used: the library takes 0.1 s and is an extra of its own."""
    try:
        from . import commands
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.split(".")[0] not in ("ovsdbapp", "ovs"):
            raise
        raise Unsupported(
            f"the Python package {exc.name.split('.')[0]} is not installed",
            hint="install the extra: pip install 'secnet[ovs]'",
            subject="Open vSwitch",
        ) from exc
    return commands


def _settled(session: Session, port: str, subject: str, changed: Callable[[], bool], call: Call) -> PortState:
    """The port once ovs-vswitchd said yes or no to it. A datapath that cannot be opened gets neither (measured)."""
    while True:
        state = session.peek(lambda tables: read_port(tables, port), call)
        if state is None:
            raise VerifyFailed("it is gone right after it was written", hint="it is tried again", subject=subject)
        if state.ofport is not None or state.error:
            return state
        if not changed():
            raise Unavailable(
                "it was written to the database but ovs-vswitchd did not act on it",
                hint="it is tried again; look whether ovs-vswitchd runs, and whether it can open the datapath type",
                subject=subject,
            )


def _require_equal(spec: PortSpec, port: PortState) -> None:
    desired = {"bridge": spec.bridge, "tag": spec.tag, "vlan_mode": spec.vlan_mode, "trunks": ()}
    wrong = {name: value for name, value in desired.items() if getattr(port, name) != value}
    ids = {name: value for name, value in spec.all_ids.items() if port.external_ids.get(name) != value}
    if wrong or ids:
        found = {name: getattr(port, name) for name in wrong}
        raise VerifyFailed(
            f"the port does not read back as written: wanted { ({**wrong, **ids}) }, found {found}",
            hint="it is tried again; look for another program that changes this port",
            subject=f"OVS port {spec.name}",
        )
