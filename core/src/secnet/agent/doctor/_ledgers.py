"""With manifests: the other agents that took addresses in this state directory, which only they give back."""

from __future__ import annotations

import time
from collections.abc import Iterator

from secnet.contract import SecnetError

from ..state.agent_ledgers import read_ledgers
from ._base import Host, Result, fail, ok, warn

__all__ = ["check_ledgers"]

_SILENT_SECONDS = 600.0  # an agent writes its ledger at every resync


def check_ledgers(host: Host) -> Iterator[Result]:
    """One result for each other agent, since its addresses stay in use however long it is away."""
    settings = host.settings
    if settings.kubernetes is not None:
        return
    try:
        ledgers = read_ledgers(host.path(settings.state_dir))
    except SecnetError as exc:
        yield fail("ledgers of sandboxes", exc.message, exc.hint)
        return
    for ledger in ledgers:
        if (ledger.node, ledger.owner_tag) == (settings.node_name, settings.owner_tag):
            continue
        what, ago = f"agent of node {ledger.node}", max(0.0, time.time() - ledger.seen)
        if ago < _SILENT_SECONDS or not ledger.entries:
            yield ok(what, f"was there {ago:.0f} s ago, with {len(ledger.entries)} sandboxes")
            continue
        yield warn(
            what,
            f"was there {ago / 60:.0f} min ago; the addresses of its {len(ledger.entries)} sandboxes stay in use meanwhile",
            f"start it; if that node is gone for good, run `secnet node forget {ledger.node}`",
        )
