"""Addresses that an operator vouches for: of nodes that are gone for good, and of sandboxes that no agent's ledger names.

No agent can have evidence of these (see `lease_evidence`). It is for manifests alone: in a cluster the removal of a Node says it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from secnet.contract import Call, ErrorInfo, IpamLease, IpamRequest, NetworkRef, SecnetError

from ..base.os_errors import translated
from ..state.agent_ledgers import AgentLedger, read_ledgers
from .plugin_calls import Plugins

__all__ = ["ForgottenNodes", "ReleasedLease"]

_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedLease:
    """A lease that was released. error: why it was not."""

    ipam_type: str
    lease: IpamLease
    error: ErrorInfo | None = None

    def __str__(self) -> str:
        addresses = ", ".join(item.address for item in self.lease.addresses) or "no readable address"
        owner = self.lease.owner
        return f"{addresses} of Pod {owner.pod or owner.container_id} interface {owner.ifname}"


class ForgottenNodes:
    """Releases by the IPAM backends, for a command beside the agents. recorded: the containers in this node's journal."""

    def __init__(self, plugins: Plugins, state_dir: Path, recorded: Iterable[str] = ()) -> None:
        self._plugins = plugins
        self._state_dir = state_dir
        self._recorded = frozenset(recorded)

    def ledgers_of(self, node: str) -> tuple[AgentLedger, ...]:
        """The ledgers of the agents of one node."""
        return tuple(ledger for ledger in read_ledgers(self._state_dir) if ledger.node == node)

    def forget(self, node: str) -> Iterator[ReleasedLease]:
        """Release what the ledgers of this node name and no other does. They go when nothing is left of it.

        Raises SecnetError when pools or ledgers cannot be read.
        """
        ledgers = self.ledgers_of(node)
        failed = False
        for released in self._release(lambda listed: listed & _containers(ledgers) - self._known(besides=node)):
            failed |= released.error is not None
            yield released
        for ledger in () if failed else ledgers:
            with translated(ledger.path):
                ledger.path.unlink(missing_ok=True)

    def release_unrecorded(self) -> Iterator[ReleasedLease]:
        """Release what no ledger names, and no journal of this node."""
        yield from self._release(lambda listed: listed - self._known())

    def _known(self, besides: str = "") -> frozenset[str]:
        """What agents answer for, of all nodes but one."""
        return self._recorded | _containers(each for each in read_ledgers(self._state_dir) if each.node != besides)

    def _release(self, gone: Callable[[frozenset[str]], frozenset[str]]) -> Iterator[ReleasedLease]:
        """gone: of the containers in the pools; asked after these were read, as an agent writes its ledger before it takes an
        address."""
        for ipam_type in sorted(self._plugins.registry.backends):
            leases = self._plugins.backend(ipam_type).inventory(Call.within(_SECONDS))
            containers = gone(frozenset(lease.owner.container_id for lease in leases))
            for lease in leases:
                if lease.owner.pod is not None and lease.owner.container_id in containers:
                    yield self._release_one(ipam_type, lease)

    def _release_one(self, ipam_type: str, lease: IpamLease) -> ReleasedLease:
        request = IpamRequest(owner=lease.owner, network=NetworkRef(namespace="", name=""), config={})
        try:
            self._plugins.backend(ipam_type).release(request, Call.within(_SECONDS))
        except SecnetError as exc:
            return ReleasedLease(ipam_type=ipam_type, lease=lease, error=exc.info)
        return ReleasedLease(ipam_type=ipam_type, lease=lease)


def _containers(ledgers: Iterable[AgentLedger]) -> frozenset[str]:
    return frozenset(entry.container_id for ledger in ledgers for entry in ledger.entries)
