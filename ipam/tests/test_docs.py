"""The documentation says what the code does."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ipam_testing.pools import HOST, backend, call, pool, request, usage
from ipam_testing.stores import MemoryStore
from jsonschema import Draft202012Validator
from secnet.contract import thaw
from secnet_ipam import AntreaBackend, StaticBackend, validate_pool
from secnet_ipam.pool import read_pool

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "ipam.md").read_text()
README = (ROOT / "ipam" / "README.md").read_text()


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table whose header line begins so."""
    lines = text[text.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


POOLS = table(GUIDE, "| gateway | prefixLength | ranges |")


def antreas_total(gateway: str, prefix_length: int, ranges: list[str]) -> int:
    """Antrea's rule as its sources have it (pkg/ipam): per range a bitmap of at most 65536 offsets.

    A CIDR leaves out its first address, then the gateway wherever that is, then the broadcast address of an IPv4 CIDR that
    is as long as the subnet. A start-end range leaves out nothing.
    """
    total = 0
    for text in ranges:
        if "/" in text:
            network = ipaddress.ip_network(text)
            reserved = {ipaddress.ip_address(gateway)}
            if network.version == 4 and network.prefixlen == prefix_length:
                reserved.add(network.broadcast_address)
            total += min(network.num_addresses - 1, 65536) - len(reserved)
        else:
            start, end = (int(ipaddress.ip_address(part)) for part in text.split("-"))
            total += min(end - start + 1, 65536)
    return total


def test_the_table_has_about_ten_pools() -> None:
    assert len(POOLS) >= 10


@pytest.mark.parametrize("row", POOLS, ids=lambda row: row[2])
def test_the_table_of_pools(row: list[str]) -> None:
    gateway, prefix_length, ranges, first, total, antreas, why = row
    store = MemoryStore(pool("p", ranges.split(", "), gateway, int(prefix_length)))
    lease = backend(store).allocate(request("c1", "p"), call())
    assert lease.addresses[0].address == f"{first}/{prefix_length}"
    assert read_pool(store.get("IPPool", "p")).usable.size == int(total)
    assert usage(store, "p")["total"] == min(int(total), 2**63 - 1)
    assert antreas_total(gateway, int(prefix_length), ranges.split(", ")) == int(antreas)
    assert why


SMALL = [row for row in POOLS if int(row[4]) < 300]


@pytest.mark.parametrize("row", SMALL, ids=lambda row: row[2])
def test_exactly_so_many_addresses_come_out_and_none_that_may_not(row: list[str]) -> None:
    gateway, prefix_length, ranges = row[:3]
    agent = backend(MemoryStore(pool("p", ranges.split(", "), gateway, int(prefix_length))))
    given = [agent.allocate(request(f"c{n}", "p"), call()).addresses[0].address for n in range(int(row[4]))]
    subnet = ipaddress.ip_network(f"{gateway}/{prefix_length}", strict=False)
    special = {ipaddress.ip_address(gateway)}
    if subnet.version == 4 and subnet.prefixlen < 31:
        special |= {subnet.network_address, subnet.broadcast_address}
    hosts = {ipaddress.ip_interface(text).ip for text in given}
    assert len(hosts) == len(given)
    assert not hosts & special
    with pytest.raises(Exception, match="has none of its"):
        agent.allocate(request("one more", "p"), call())


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))
def test_the_pools_of_the_guide_are_valid(text: str) -> None:
    assert validate_pool(yaml.safe_load(text)) == []


def test_the_examples_of_the_readme_work(capsys: pytest.CaptureFixture[str]) -> None:
    (section,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    config = json.loads(section)
    assert config.pop("type") == "antrea"
    Draft202012Validator(thaw(AntreaBackend.describe().config)).validate(config)
    AntreaBackend(HOST).validate(config)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {"ippool": pool("p", "10.0.0.0/24", "10.9.0.1", 24)})
    assert "$.spec.ipRanges[0] the range is not inside the subnet 10.9.0.0/24" in capsys.readouterr().out


def keys(schema: dict[str, Any], prefix: str = "") -> list[str]:
    """The names of all properties, those inside lists with `[]`."""
    found = []
    for name, child in schema.get("properties", {}).items():
        found += [
            f"{prefix}{name}",
            *keys(child, f"{prefix}{name}."),
            *keys(child.get("items", {}), f"{prefix}{name}[]."),
        ]
    return found


def test_the_readme_lists_every_option_of_each_backend() -> None:
    rows = {row[0].strip("`"): row[2] for row in table(README, "| key | type | backend |")}
    assert sorted(rows) == sorted(keys(dict(AntreaBackend.describe().config)))
    assert sorted(name for name, who in rows.items() if who == "both") == sorted(
        keys(dict(StaticBackend.describe().config))
    )
