"""Link kinds, mounts and capabilities: on folders that play the node, and on this machine itself."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.doctor._kernel import KINDS, check_kernel_modules, check_link_kinds, check_programs
from secnet.agent.doctor._mounts import check_mounts
from secnet.agent.doctor._node import check_privileges
from secnet.agent.plugins.registry import Registry
from secnet.contract import Needs
from secnet_conformance.needs import requires_command, requires_link_kind, requires_root
from secnet_testing.documents import ROOT

ROOT_LINE = "1 0 8:1 / / rw,relatime - {kind} /dev/sda1 rw"
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


def _mounts(put: Any, *lines: str, kind: str = "ext4") -> None:
    put("/proc/self/mountinfo", "\n".join([ROOT_LINE.format(kind=kind), *lines]) + "\n")


RUN = "2 1 0:9 / /run rw - tmpfs tmpfs rw"
STATE = "9 1 8:1 /var/lib/secnet /var/lib/secnet {mode} - ext4 /dev/sda1 rw"
STATE_DIR = "stateDir /var/lib/secnet"
NETNS = "3 2 0:9 /netns /run/netns rw {tag}- tmpfs tmpfs rw"
NETNS_DIR = "network namespaces in /run/netns"


def test_mounts_of_a_host(make_host: Any, put: Any, found: Any, tmp_path: Path) -> None:
    _mounts(put, RUN)
    (tmp_path / "run/netns").mkdir(parents=True)
    results = found(check_mounts, make_host(run_dir=Path("/run/secnet")))
    assert {result.level for result in results.values()} == {"ok"}


def test_mounts_of_a_container(make_host: Any, put: Any, found: Any, tmp_path: Path) -> None:
    (tmp_path / "run/netns").mkdir(parents=True)
    _mounts(put, RUN, NETNS.format(tag="master:5 "), STATE.format(mode="rw"), kind="overlay")
    results = found(check_mounts, make_host(run_dir=Path("/run/secnet")))
    assert {result.level for result in results.values()} == {"ok"}
    for tag in ("", "unbindable "):
        _mounts(put, RUN, NETNS.format(tag=tag), kind="overlay")
        assert found(check_mounts, make_host(run_dir=Path("/run/secnet")))[NETNS_DIR].level == "FAIL"
    _mounts(put, kind="overlay")
    results = found(check_mounts, make_host(run_dir=Path("/run/secnet")))
    assert (results["runDir /run/secnet"].level, results[NETNS_DIR].level) == ("FAIL", "FAIL")
    assert results[STATE_DIR].level == "FAIL"
    _mounts(put, STATE.format(mode="ro"), kind="overlay")
    assert found(check_mounts, make_host())[STATE_DIR].finding.startswith("read-only")
    _mounts(put)
    assert found(check_mounts, make_host())[STATE_DIR].level == "ok", "no container"
    _mounts(put, "2 1 0:9 / /var rw - tmpfs tmpfs rw")
    assert found(check_mounts, make_host())[STATE_DIR].level == "warn"


def test_read_only_and_lasting_file_systems(make_host: Any, put: Any, found: Any) -> None:
    proc, sysctl = "2 1 0:5 / /proc rw - proc proc rw", "3 2 0:5 /sys /proc/sys ro - proc proc rw"
    _mounts(put, proc, sysctl, "4 1 0:6 / /sys ro - sysfs s ro")
    results = found(check_mounts, make_host(run_dir=Path("/run/secnet")))
    assert results["/proc/sys"].level == "FAIL"
    manifest = (ROOT / "deploy/base/daemonset.yaml").read_text(encoding="utf-8")
    (command,) = re.findall("`(.*)`", results["/proc/sys"].remedy)
    assert f"- {command} && exec secnet agent" in manifest
    assert results["/sys"].level == "warn"
    assert results["runDir /run/secnet"].level == "warn"
    assert results[NETNS_DIR].level == "warn", "the directory does not exist"


def test_names_with_spaces(make_host: Any, put: Any, found: Any) -> None:
    _mounts(put, r"2 1 0:9 / /my\040run rw - tmpfs tmpfs rw")
    assert found(check_mounts, make_host(run_dir=Path("/my run/x")))["runDir /my run/x"].level == "ok"


def _doctor(*before: str, script: str = "") -> dict[str, Any]:
    """The real command in a process that lacks something."""
    program = str(Path(sys.executable).with_name("secnet"))
    argv = [*before, "sh", "-ec", f"{script}\nexec {program} doctor --json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return {item["what"]: item["level"] for item in json.loads(done.stdout)}


@pytest.mark.kernel
def test_a_process_without_a_capability() -> None:
    requires_root()
    requires_command("setpriv")
    levels = _doctor("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "--")
    assert (levels["CAP_NET_RAW"], levels["CAP_NET_ADMIN"]) == ("FAIL", "ok")


@pytest.mark.kernel
def test_the_mounts_of_a_process_in_a_mount_namespace_of_its_own() -> None:
    requires_root()
    requires_command("unshare", "mount")
    enter = ("unshare", "--mount", "--propagation=slave", "env", "KUBERNETES_SERVICE_HOST=x")
    prepare = "mount -t tmpfs sn /run; mkdir /run/netns; mount --bind /run/netns /run/netns; "
    levels = _doctor(*enter, script=prepare + "mount --make-shared /run/netns")
    assert (levels[NETNS_DIR], levels["/proc/sys"], levels["runDir /run/secnet"]) == ("ok", "ok", "ok")
    levels = _doctor(
        *enter,
        script=prepare
        + "mount --make-private /run/netns; mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys",
    )
    assert (levels[NETNS_DIR], levels["/proc/sys"]) == ("FAIL", "FAIL")


def test_a_status_that_cannot_be_read(make_host: Any, found: Any) -> None:
    assert found(check_privileges, make_host())["CAP_SYS_ADMIN"].level == "FAIL"
