"""Link kinds, modules and programs: on folders that play the node, and on this machine itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.doctor._kernel import KINDS, check_kernel_modules, check_link_kinds, check_programs
from secnet.agent.plugins.registry import Registry
from secnet.contract import Needs
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
    assert (result.level, result.finding) == ("ok", "can be loaded as the module openvswitch")


def test_a_kind_that_is_missing(make_host: Any, put: Any, found: Any) -> None:
    _symbols(put)
    assert found(check_link_kinds, make_host())["link kind veth"].level == "FAIL"
    assert found(check_link_kinds, make_host(drivers={}))["link kind veth"].level == "warn", "installed, not configured"


def test_symbols_that_no_one_may_read(make_host: Any, found: Any) -> None:
    assert found(check_link_kinds, make_host())["link kind veth"].level == "warn"


@pytest.mark.kernel
def test_the_kernel_of_this_machine(make_host: Any, found: Any) -> None:
    requires_link_kind("veth")
    assert found(check_link_kinds, make_host(root=Path("/")))["link kind veth"].level == "ok"


def _needing(make_host: Any, registry: Registry, needs: Needs, **how: Any) -> Any:
    """A node on which the configured type `vlan` needs this."""
    plugin = registry.drivers["vlan"]
    plugin = dataclasses.replace(plugin, info=dataclasses.replace(plugin.info, needs=needs))
    return dataclasses.replace(make_host(**how), registry=Registry(drivers={"vlan": plugin}))


def test_modules_that_a_plugin_needs(make_host: Any, registry: Registry, put: Any, found: Any) -> None:
    put("/sys/module/vfio/refcnt", "1")
    put("/proc/sys/kernel/osrelease", "6.1.0\n")
    put("/lib/modules/6.1.0/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko\n")
    put("/lib/modules/6.1.0/modules.builtin", "kernel/net/psample/psample.ko\n")
    needs = Needs(kernel_modules=("vfio", "vfio_pci", "psample", "none_such"))
    results = found(check_kernel_modules, _needing(make_host, registry, needs))
    assert [(name, result.level) for name, result in results.items()] == [
        ("kernel module vfio", "ok"),
        ("kernel module vfio_pci", "ok"),
        ("kernel module psample", "ok"),
        ("kernel module none_such", "FAIL"),
    ]
    assert results["kernel module none_such"].finding == "absent, needed by vlan"
    assert found(check_kernel_modules, make_host()) == {}, "no installed plugin needs one"


def test_programs_that_a_plugin_needs(make_host: Any, registry: Registry, put: Any, found: Any) -> None:
    put("/opt/bin/devlink", "").chmod(0o755)
    environment = {"PATH": "/usr/bin:/opt/bin"}
    needs = Needs(programs=("devlink", "none-such"))
    host = _needing(make_host, registry, needs, environment=environment)
    results = found(check_programs, host)
    assert (results["program devlink"].level, results["program none-such"].level) == ("ok", "FAIL")
    unconfigured = _needing(make_host, registry, needs, environment=environment, drivers={})
    assert found(check_programs, unconfigured)["program none-such"].level == "warn", "installed, not configured"


def test_a_link_kind_that_the_table_does_not_have(make_host: Any, registry: Registry, put: Any, found: Any) -> None:
    """A third-party driver may make links that no driver of ours makes."""
    _symbols(put, VETH)
    put("/sys/module/netkit/refcnt", "1")
    host = _needing(make_host, registry, Needs(link_kinds=("netkit", "wireguard")))
    results = found(check_link_kinds, host)
    assert (results["link kind netkit"].level, results["link kind wireguard"].level) == ("ok", "FAIL")
