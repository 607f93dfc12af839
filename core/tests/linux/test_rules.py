"""Rules that go by the source address, on a real kernel."""

from __future__ import annotations

import pytest
from secnet.linux.rtnl import SourceRule
from secnet_testing.netns import run_in

from .conftest import Wire

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("source", ["10.1.0.5/32", "10.1.0.0/24", "fd01::5/128"])
def test_a_rule_comes_and_goes(wire: Wire, source: str) -> None:
    family = 6 if ":" in source else 4
    before = run_in(wire.pod_ns, ["ip", f"-{family}", "rule"])
    rule = SourceRule(source=source, table=20000, priority=30000)
    for _ in range(2):
        wire.pod.add_source_rule(rule)
    assert wire.pod.source_rules(family) == (rule,)
    assert 20000 in wire.pod.tables_of_rules()
    for _ in range(2):
        wire.pod.delete_source_rule(rule)
    assert run_in(wire.pod_ns, ["ip", f"-{family}", "rule"]) == before


def test_rules_of_others_are_seen(wire: Wire) -> None:
    run_in(wire.pod_ns, ["ip", "rule", "add", "from", "10.1.0.5", "lookup", "100", "pref", "500"])
    run_in(wire.pod_ns, ["ip", "rule", "add", "fwmark", "7", "lookup", "101"])
    assert wire.pod.source_rules(4) == (SourceRule(source="10.1.0.5/32", table=100, priority=500),)
    assert wire.pod.tables_of_rules() == {100, 101, 253, 254, 255}
