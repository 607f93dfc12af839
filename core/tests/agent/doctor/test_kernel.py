"""Link kinds: on folders that play the node, and on this machine itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from secnet.agent.doctor._kernel import KINDS, check_link_kinds
from secnet_conformance.needs import requires_link_kind

VETH, OVS = KINDS["veth"][1], KINDS["openvswitch"][1]


def _symbols(put: Any, *names: str) -> None:
    put("/proc/kallsyms", "".join(f"ffffffff81db9ae0 t {name}\n" for name in ("start_kernel", *names)))


def test_kinds_that_are_there(make_host: Any, put: Any, found: Any) -> None:
    _symbols(put, VETH)
    put("/sys/module/openvswitch/refcnt", "1")
    results = found(check_link_kinds, make_host())
    assert {result.level for result in results.values()} == {"ok"}
    assert results["link kind veth"].finding == "present, needed by vlan"


def test_a_kind_that_a_module_would_bring(make_host: Any, put: Any, found: Any) -> None:
    _symbols(put, VETH)
    put("/proc/sys/kernel/osrelease", "6.1.0\n")
    put("/lib/modules/6.1.0/modules.dep", "kernel/net/openvswitch/openvswitch.ko.xz: kernel/net/nsh/nsh.ko.xz\n")
    result = found(check_link_kinds, make_host())["link kind openvswitch"]
    assert (result.level, result.finding) == ("ok", "can be loaded as the module openvswitch, needed by vlan")


def test_a_kind_that_is_missing(make_host: Any, put: Any, found: Any) -> None:
    _symbols(put)
    assert found(check_link_kinds, make_host())["link kind veth"].level == "FAIL"
    assert found(check_link_kinds, make_host())["link kind openvswitch"].level == "FAIL"
    assert found(check_link_kinds, make_host(drivers={}))["link kind veth"].level == "warn", "installed, not configured"
    userspace = found(check_link_kinds, make_host(datapath_type="netdev"))
    assert (userspace["link kind openvswitch"].level, userspace["link kind tun"].level) == ("ok", "FAIL")


def test_symbols_that_nobody_may_read(make_host: Any, found: Any) -> None:
    assert found(check_link_kinds, make_host())["link kind veth"].level == "warn"


@pytest.mark.kernel
def test_the_kernel_of_this_machine(make_host: Any, found: Any) -> None:
    requires_link_kind("veth")
    assert found(check_link_kinds, make_host(root=Path("/")))["link kind veth"].level == "ok"
