"""Whose sandbox a lease is of, and whether it has ended: what an agent can know, by source of the objects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from secnet.contract import AttachRequest, Busy, SecnetError

from ..model.record import Record
from ..sandboxes.monitor import lives
from ..state.agent_ledgers import AgentLedgers, LedgerEntry
from ..state.sandbox_ledger import SandboxLedger
from .lease_evidence import Recorder, SandboxState

__all__ = ["CommonLedgers", "LeaseLedger", "LocalLedger"]

_log = logging.getLogger(__name__)


class LeaseLedger(Protocol):
    """Which sandboxes this agent took addresses for, and what is known of those of others. Thread-safe."""

    def add(self, request: AttachRequest) -> None:
        """Its sandbox is this agent's. To be called before an address is asked for; raises SecnetError when none must be."""
        ...

    def refresh(self) -> None:
        """Learn what other agents wrote, after the pools were read: a lease in them then stands in its agent's ledger.

        Raises SecnetError where that is not known: nothing must be judged then.
        """
        ...

    def recorder(self, container_id: str) -> Recorder:
        """Whose ledger names the sandbox."""
        ...

    def agent(self, container_id: str) -> str:
        """The node of the other agent whose ledger does; empty without one."""
        ...

    def alone(self) -> bool:
        """Whether no other agent ever had a ledger here; False where that is not known."""
        ...

    def state(self, container_id: str) -> SandboxState:
        """Whether a sandbox of this node has ended. Never raises."""
        ...

    def network_types(self, container_id: str) -> tuple[str, ...]:
        """Of which network types its interfaces may be; empty where that is not known."""
        ...

    def keep_only(self, named: Callable[[], Collection[str]]) -> None:
        """Forget what neither a pool nor a record names any more; see `SandboxLedger.keep_only`."""
        ...


class LocalLedger:
    """With the Kubernetes API: this agent's own ledger, and the container runtime. See `LeaseLedger`."""

    def __init__(self, served: SandboxLedger, has_ended: Callable[[str], bool]) -> None:
        self._served = served
        self._has_ended = has_ended

    def add(self, request: AttachRequest) -> None:
        """See `LeaseLedger.add`. Never raises: a sandbox that is missing in it counts as one of another node."""
        self._served.add(request.container_id)

    def refresh(self) -> None:
        """Other nodes have state directories of their own."""

    def recorder(self, container_id: str) -> Recorder:
        """See `LeaseLedger.recorder`."""
        return Recorder.THIS_AGENT if container_id in self._served else Recorder.UNKNOWN

    def agent(self, container_id: str) -> str:
        """None is known."""
        return ""

    def alone(self) -> bool:
        """It is not known."""
        return False

    def state(self, container_id: str) -> SandboxState:
        """By the container runtime."""
        return SandboxState.ENDED if self._has_ended(container_id) else SandboxState.LIVING

    def network_types(self, container_id: str) -> tuple[str, ...]:
        """They are not known."""
        return ()

    def keep_only(self, named: Callable[[], Collection[str]]) -> None:
        """See `LeaseLedger.keep_only`."""
        self._served.keep_only(named)


class CommonLedgers:
    """With manifests: every agent's ledger lies in the state directory, with the namespaces of its sandboxes. See `LeaseLedger`.

    records: of the journal; what is missing of them, as of an earlier version, is entered.
    """

    def __init__(self, ledgers: AgentLedgers, boot_id: str, records: Iterable[Record] = ()) -> None:
        self._ledgers = ledgers
        self._boot_id = boot_id
        for record in [
            each for each in records if each.ipam is not None and ledgers.own(each.key.container_id) is None
        ]:
            try:
                ledgers.add(_entry(record.attachment.request, record.boot_id))
            except SecnetError as exc:
                _log.warning("the ledger lacks the sandbox of Pod %s: %s", record.pod, exc)

    def add(self, request: AttachRequest) -> None:
        """See `LeaseLedger.add`.

        Raises Busy for a sandbox that another agent took addresses for: the namespaces of two nodes may have the same numbers,
        and a Pod that is moved by its nodeName alone keeps its uid, so both sandboxes have one id, and would share the lease.
        """
        if self._ledgers.own(request.container_id) is None:
            self._ledgers.refresh()
            self._refuse_anothers(request.container_id)
        self._ledgers.add(_entry(request, self._boot_id))

    def _refuse_anothers(self, container_id: str) -> None:
        node = self.agent(container_id)
        if node:
            raise Busy(
                f"node {node} has not given back the addresses of the sandbox that looks the same",
                hint=f"its agent does so; if that node is gone for good, run `secnet node forget {node}`",
                subject=f"sandbox {container_id}",
            )

    def refresh(self) -> None:
        """See `LeaseLedger.refresh`."""
        self._ledgers.refresh()

    def recorder(self, container_id: str) -> Recorder:
        """See `LeaseLedger.recorder`."""
        if self._ledgers.own(container_id) is not None:
            return Recorder.THIS_AGENT
        return Recorder.NO_AGENT if self._ledgers.other(container_id) is None else Recorder.OTHER_AGENT

    def agent(self, container_id: str) -> str:
        """See `LeaseLedger.agent`."""
        found = self._ledgers.other(container_id)
        return "" if found is None else found.node

    def alone(self) -> bool:
        """See `LeaseLedger.alone`."""
        return self._ledgers.alone

    def state(self, container_id: str) -> SandboxState:
        """By the boot and the namespace: what the kernel had in an earlier boot is gone."""
        entry = self._ledgers.own(container_id)
        if entry is None:
            return SandboxState.LIVING
        if entry.boot_id != self._boot_id:
            return SandboxState.ENDED
        return SandboxState.LIVING if lives(entry.netns) else SandboxState.UNNAMED

    def network_types(self, container_id: str) -> tuple[str, ...]:
        """See `LeaseLedger.network_types`."""
        entry = self._ledgers.own(container_id)
        return () if entry is None else entry.network_types

    def keep_only(self, named: Callable[[], Collection[str]]) -> None:
        """See `LeaseLedger.keep_only`."""
        self._ledgers.keep_only(named)


def _entry(request: AttachRequest, boot_id: str) -> LedgerEntry:
    return LedgerEntry(
        container_id=request.container_id,
        boot_id=boot_id,
        netns=request.netns,
        network_types=(request.network_type,),
    )
