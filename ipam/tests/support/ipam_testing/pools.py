"""Short ways to say pools, requests and backends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from secnet.contract import Call, HostContext, IpamOwner, IpamRequest, NetworkRef, ObjectStore, PodRef
from secnet_ipam import AntreaBackend

HOST = HostContext(node_name="node1", run_dir=Path("run"))


def pool(
    name: str,
    ranges: str | Sequence[str],
    gateway: str,
    prefix_length: int,
    *,
    vlan: int = 0,
    entries: Sequence[Any] = (),
    deleting: bool = False,
) -> dict[str, Any]:
    """An IPPool; a range is a CIDR or `START-END`."""
    texts = [ranges] if isinstance(ranges, str) else ranges
    info: dict[str, Any] = {"gateway": gateway, "prefixLength": prefix_length}
    metadata: dict[str, Any] = {"name": name}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    obj: dict[str, Any] = {
        "apiVersion": "crd.antrea.io/v1beta1",
        "kind": "IPPool",
        "metadata": metadata,
        "spec": {"ipRanges": [_range(text) for text in texts], "subnetInfo": info | ({"vlan": vlan} if vlan else {})},
    }
    if entries:
        obj["status"] = {"ipAddresses": list(entries), "usage": {"total": 0, "used": len(entries)}}
    return obj


def _range(text: str) -> dict[str, str]:
    start, dash, end = text.partition("-")
    return {"start": start, "end": end} if dash else {"cidr": text}


def entry(address: str, container: str = "other", ifname: str | None = "eth1", **rest: Any) -> dict[str, Any]:
    """A status entry; without `ifname` that of a primary interface."""
    owner = {"name": f"pod-{container}", "namespace": "default", "containerID": container}
    if ifname is not None:
        owner["ifName"] = ifname
    return {"ipAddress": address, "phase": "Allocated", "owner": {"pod": owner}, **rest}


def request(
    container: str,
    *ippools: str,
    ifname: str = "eth1",
    ips: Sequence[str] = (),
    pod: str | None = None,
    **config: Any,
) -> IpamRequest:
    """What a sandbox asks for."""
    ref = PodRef(namespace="default", name=pod or f"pod-{container}", uid=f"uid-{container}")
    return IpamRequest(
        owner=IpamOwner(container_id=container, ifname=ifname, pod=ref),
        network=NetworkRef(namespace="default", name="net"),
        config=({"ippools": list(ippools)} if ippools else {}) | config,
        ips=tuple(ips),
    )


def backend(objects: ObjectStore) -> AntreaBackend:
    """A backend as one more agent would have it."""
    return AntreaBackend(HOST, objects)


def call(seconds: float = 30.0, **rest: Any) -> Call:
    """A call with a deadline that a sound test never reaches."""
    return Call.within(seconds, **rest)


def addresses(objects: ObjectStore, name: str) -> list[str]:
    """What `status.ipAddresses` of a pool lists."""
    found = objects.get("IPPool", name).get("status", {}).get("ipAddresses", [])
    return [item["ipAddress"] if isinstance(item, dict) else item for item in found]


def usage(objects: ObjectStore, name: str) -> dict[str, int]:
    """The counters of a pool."""
    counters: dict[str, int] = objects.get("IPPool", name)["status"]["usage"]
    return counters


def snapshot(objects: ObjectStore) -> dict[str, Any]:
    """The entries of all pools."""
    return {obj["metadata"]["name"]: obj.get("status", {}).get("ipAddresses", []) for obj in objects.list("IPPool")}
