"""What went through the interfaces of this node, read of the drivers at each scrape."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from secnet.contract import Call, NetworkDriver, SecnetError, Traffic

from ..attach.plugin_calls import Plugins
from ..model.record import Record

__all__ = ["traffic_of"]

_log = logging.getLogger(__name__)

_SCRAPE_SECONDS = 1.0


def traffic_of(plugins: Plugins, records: Iterable[Record]) -> Iterator[tuple[Record, Traffic]]:
    """Each living interface of a Pod with its counters. A driver that fails loses its values and no other does."""
    of_type: dict[str, list[Record]] = {}
    for record in records:
        if record.living and record.pod is not None:
            of_type.setdefault(record.network_type, []).append(record)
    for name, living in sorted(of_type.items()):
        plugin = plugins.registry.drivers.get(name)
        if plugin is None or plugin.cls.traffic is NetworkDriver.traffic:
            continue
        call = Call.within(_SCRAPE_SECONDS).about(tuple(record.attachment for record in living))
        try:
            found = plugins.driver(name).traffic(call)
        except SecnetError as exc:
            _log.warning("network type %s gives no traffic: %s", name, exc)
            continue
        yield from ((record, found[record.key]) for record in living if record.key in found)
