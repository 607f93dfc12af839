"""The annotation `k8s.v1.cni.cncf.io/network-status` (multi-net-spec v1.3, section 5), merged into what is there.

Entries of other writers survive. Ours are written as the clients read them: names as `namespace/name`, addresses without
prefix, key `gateway`. They carry the key `secnet.io/owner`, so that they can be distinguished from others' after a restart; a
client ignores keys it does not know (5.3).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from secnet.contract import thaw

from ..model.record import Record
from ..text.json_text import too_deep

__all__ = ["STATUS_ANNOTATION", "default_entry", "has_ours", "merge_status", "same_status", "status_entry"]

STATUS_ANNOTATION = "k8s.v1.cni.cncf.io/network-status"
OWNER_KEY = "secnet.io/owner"


def status_entry(record: Record, owner_tag: str) -> dict[str, Any]:
    """The entry of one attachment."""
    attachment, result = record.attachment, record.result
    lease = attachment.lease
    entry: dict[str, Any] = {"name": str(attachment.request.network), "interface": record.key.ifname}
    if lease and lease.addresses:
        entry["ips"] = [item.address.split("/")[0] for item in lease.addresses]
    if result and result.mac:
        entry["mac"] = result.mac
    if result and result.mtu:
        entry["mtu"] = result.mtu
    entry["default"] = False
    entry["dns"] = _dns(record)
    if "default_route" in record.attachment_options and lease:
        gateways = list(record.attachment_options["default_route"]) or [
            item.gateway for item in lease.addresses if item.gateway
        ]
        entry["gateway"] = gateways
    if result and result.device_info:
        entry["device-info"] = thaw(result.device_info)
    entry[OWNER_KEY] = owner_tag
    return entry


def default_entry(owner_tag: str, ips: Iterable[str], mac: str | None) -> dict[str, Any]:
    """The entry of the cluster default network (5.2), written only when there is none of another writer."""
    entry: dict[str, Any] = {"name": "default"}
    if mac is not None:
        entry |= {"interface": "eth0", "ips": list(ips), "mac": mac}
    return entry | {"default": True, "dns": {}, OWNER_KEY: owner_tag}


def merge_status(
    current: str | None, records: Iterable[Record], default: Mapping[str, Any], owner_tag: str
) -> str | None:
    """The new annotation text; None when it should not exist.

    Entries of others stay in their order; one of the same (name, interface) gives way to ours. An unreadable annotation
    counts as empty, and an entry that no client could read is dropped.
    """
    ours = [status_entry(record, owner_tag) for record in records if record.living]
    named = {(entry["name"], entry["interface"]) for entry in ours}
    others = [
        entry
        for entry in _read(current)
        if entry.get(OWNER_KEY) != owner_tag and (entry.get("name"), entry.get("interface")) not in named
    ]
    if ours and not any(entry.get("default") is True for entry in others):
        others.insert(0, dict(default))
    merged = others + ours
    return json.dumps(merged, indent=4) if merged else None


def has_ours(text: str | None, owner_tag: str) -> bool:
    """Whether an annotation has an entry of ours; one that cannot be read has none."""
    return any(entry.get(OWNER_KEY) == owner_tag for entry in _read(text))


def same_status(one: str | None, other: str | None) -> bool:
    """Whether two annotations say the same, however each writer lays out his JSON."""
    return one == other or (None not in (one, other) and _read(one) == _read(other) != [])


def _dns(record: Record) -> dict[str, Any]:
    lease = record.attachment.lease
    if lease is None:
        return {}
    dns = {
        "nameservers": list(lease.dns.nameservers),
        "domain": lease.dns.domain,
        "search": list(lease.dns.search),
        "options": list(lease.dns.options),
    }
    return {key: value for key, value in dns.items() if value}


def _read(text: str | None) -> list[dict[str, Any]]:
    if not text:
        return []
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [entry for entry in data if _is_entry(entry)] if isinstance(data, list) else []


def _is_entry(entry: Any) -> bool:
    """A Pod's author may write anything; name and interface are texts, or are not there."""
    texts = isinstance(entry, dict) and all(isinstance(entry.get(key, ""), str) for key in ("name", "interface"))
    return texts and too_deep(entry) is None
