"""Mounts and file systems: on folders that play the node, and on processes of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.doctor._mounts import check_mounts
from secnet_conformance.needs import requires_command, requires_root

ROOT_LINE = "1 0 8:1 / / rw,relatime - {kind} /dev/sda1 rw"


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
    assert "its log says why" in results["/proc/sys"].remedy
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
