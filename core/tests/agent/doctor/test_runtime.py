"""Sockets of the node, the CNI configuration and Multus, in folders that play the node."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from secnet.agent.config.settings import CniSettings, KubernetesSettings
from secnet.agent.doctor._runtime import check_cni, check_multus, check_sockets
from secnet_conformance.needs import requires_command, requires_root
from secnet_testing.podresources import play_pod_resources


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_sockets(make_host: Any, found: Any, place: Path) -> None:
    cri = Path("/run/c.sock")
    host = make_host(root=place, kubernetes=KubernetesSettings(), cri_socket=cri)
    results = found(check_sockets, host)
    assert [result.level for result in results.values()] == ["FAIL", "warn"]
    with _listen(place / "run/c.sock"), play_pod_resources() as kubelet:
        there = make_host(
            root=place, kubernetes=KubernetesSettings(), cri_socket=cri, pod_resources=Path("/run/kubelet.sock")
        )
        (place / "run/kubelet.sock").symlink_to(kubelet.socket)
        assert [result.level for result in found(check_sockets, there).values()] == ["ok", "ok"]
        kubelet.faults.refuse = (grpc.StatusCode.PERMISSION_DENIED, "no")
        refusing = found(check_sockets, there)["kubelet PodResources socket /run/kubelet.sock"]
        assert (refusing.level, "no (PERMISSION_DENIED)" in refusing.finding) == ("warn", True)
    left = found(check_sockets, host)[f"CRI socket {cri}"]
    assert (left.level, left.finding) == ("FAIL", "no process listens"), "the file of a runtime that ended"
    assert found(check_sockets, make_host(root=place)) == {}, "manifests need neither"


def _conflist(put: Any, name: str, *types: str) -> None:
    put(f"/etc/cni/net.d/{name}", json.dumps({"name": "net", "plugins": [{"type": kind} for kind in types]}))


def test_the_cni_plugin_and_its_chain(make_host: Any, found: Any, put: Any, place: Path, tmp_path: Path) -> None:
    cni = CniSettings(socket=Path("/run/cni.sock"), conf_dir=Path("/etc/cni/net.d"))
    (tmp_path / "opt/cni/bin").mkdir(parents=True)
    (tmp_path / "opt/cni/bin/secnet-cni.sock").symlink_to("/run/cni.sock")
    levels = [result.level for result in found(check_cni, make_host(cni=cni)).values()]
    assert levels == ["warn", "FAIL", "warn"]
    put("/opt/cni/bin/secnet-cni", "").chmod(0o755)
    (tmp_path / "opt/cni/bin/secnet").symlink_to("secnet-cni")
    _conflist(put, "20-other.conflist", "secnet-cni")
    _conflist(put, "10-first.conflist", "bridge")
    results = found(check_cni, make_host(cni=cni))
    assert (results["CNI plugin"].level, results["CNI chain"].level) == ("ok", "warn"), (
        "the runtime takes the first file"
    )
    _conflist(put, "10-first.conflist", "bridge", "secnet-cni")
    assert found(check_cni, make_host(cni=cni))["CNI chain"].level == "ok"
    left = found(check_cni, make_host())
    assert left["CNI chain"].level == "FAIL", "no one answers the plugin that an agent of before left there"
    _conflist(put, "10-first.conflist", "bridge")
    _conflist(put, "20-other.conflist", "bridge")
    assert found(check_cni, make_host()) == {}, "not configured"
    with _listen(place / "run/cni.sock"):
        assert found(check_cni, make_host(cni=cni, root=place))["socket for the CNI plugin /run/cni.sock"].level == "ok"


def test_a_lost_program(make_host: Any, found: Any, put: Any, tmp_path: Path) -> None:
    cni = CniSettings(socket=Path("/run/cni.sock"), conf_dir=Path("/etc/cni/net.d"), program=Path("/plugin"))
    lost = found(check_cni, make_host(cni=cni))["CNI plugin"]
    assert (lost.level, "names it" in lost.finding) == ("FAIL", False), "nothing calls it"
    _conflist(put, "10-first.conflist", "bridge", "secnet-cni")
    lost = found(check_cni, make_host(cni=cni))["CNI plugin"]
    assert (lost.level, "10-first.conflist names it" in lost.finding) == ("FAIL", True)
    assert lost.remedy == "start the agent, which installs it"
    put("/opt/cni/bin/secnet-cni", "").chmod(0o755)
    assert found(check_cni, make_host(cni=cni))["CNI plugin"].level == "warn", "one of its names is missing"
    _conflist(put, "00-multus.conflist", "multus-shim")
    link = found(check_cni, make_host(cni=cni))["CNI plugin"]
    assert (link.level, "/opt/cni/bin/secnet is missing" in link.finding) == ("FAIL", True)
    (tmp_path / "opt/cni/bin/secnet").symlink_to("secnet-cni")
    assert found(check_cni, make_host(cni=cni))["CNI plugin"].level == "ok"


def test_the_plugins_way_to_the_agent(make_host: Any, found: Any, tmp_path: Path) -> None:
    what = "CNI plugin's way to the agent"
    assert what not in found(check_cni, make_host(cni=CniSettings(socket=Path("/run/secnet/cni.sock"))))
    host = make_host(cni=CniSettings(socket=Path("/run/other/cni.sock")))
    assert found(check_cni, host)[what].level == "FAIL", "without a link it goes to the usual place"
    (tmp_path / "opt/cni/bin").mkdir(parents=True)
    (tmp_path / "opt/cni/bin/secnet-cni.sock").symlink_to("/run/other/cni.sock")
    assert what not in found(check_cni, host)


@pytest.mark.kernel
def test_directories_of_another_user(tmp_path: Path) -> None:
    """The real command, as root without the capabilities that pass over owners."""
    requires_root()
    requires_command("setpriv")
    conf, programs = tmp_path / "net.d", tmp_path / "bin"
    for folder in (conf, programs):
        folder.mkdir()
    (conf / "10-net.conflist").write_text(json.dumps({"name": "net", "plugins": [{"type": "bridge"}]}))
    config = tmp_path / "node.yaml"
    section = {"confDir": str(conf), "binDir": str(programs), "program": str(programs / "p")}
    config.write_text(json.dumps({"cni": section}))
    program = str(Path(sys.executable).with_name("secnet"))

    def failed(*without: str) -> set[str]:
        rights = ",".join(f"-{name}" for name in without)
        enter = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", "--"] if without else []
        argv = [*enter, program, "doctor", "--json", "--config", str(config)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout, done.stderr
        return {
            item["what"]
            for item in json.loads(done.stdout)
            if item["level"] == "FAIL" and str(tmp_path) in item["what"]
        }

    both = ("dac_override", "chown")
    assert failed(*both) == set(), "they are root's"
    for path in (conf, programs, conf / "10-net.conflist"):
        os.chown(path, 64001, 64001)
    assert failed() == set()
    folders = {f"CNI directory {conf}", f"CNI directory {programs}"}
    file = f"CNI configuration {conf / '10-net.conflist'}"
    assert failed(*both) == {*folders, file}
    assert failed("dac_override") == folders
    assert failed("chown") == {file}


@pytest.mark.parametrize("kind", ["multus", "multus-shim"])
def test_multus(make_host: Any, found: Any, put: Any, kind: str) -> None:
    put("/etc/cni/net.d/05-broken.conf", "{")
    put("/etc/cni/net.d/README", "multus")
    assert found(check_multus, make_host())["Multus"].level == "ok"
    put("/etc/cni/net.d/00-multus.conf", json.dumps({"type": kind, "delegates": []}))
    seen = found(check_multus, make_host())["Multus"]
    assert (seen.level, "00-multus.conf" in seen.finding) == ("warn", True)
    assert found(check_multus, make_host(multus="present"))["Multus"].level == "ok"
    assert found(check_multus, make_host(multus="absent"))["Multus"].level == "FAIL", "both would serve one network"


def test_multus_that_is_away(make_host: Any, found: Any, put: Any) -> None:
    assert found(check_multus, make_host(multus="absent"))["Multus"].level == "ok"
    assert found(check_multus, make_host(multus="present"))["Multus"].level == "warn"
    memory = put("/var/lib/secnet/multus/node-1", "2026-01-02T03:04:05Z\n")
    remembered = found(check_multus, make_host())["Multus"]
    assert remembered.level == "warn"
    assert "2026-01-02T03:04:05Z" in remembered.finding
    assert "/var/lib/secnet/multus/node-1" in remembered.remedy
    assert "multus: absent" in remembered.remedy
    memory.unlink()
    assert found(check_multus, make_host())["Multus"].level == "ok"


def test_nothing_is_to_be_chained_where_multus_is(make_host: Any, found: Any, put: Any) -> None:
    cni = CniSettings(socket=Path("/run/cni.sock"), conf_dir=Path("/etc/cni/net.d"))
    _conflist(put, "10-net.conflist", "bridge")
    assert found(check_cni, make_host(cni=cni))["CNI chain"].level == "warn"
    assert found(check_cni, make_host(cni=cni, multus="present"))["CNI chain"].level == "ok"
    put("/etc/cni/net.d/00-multus.conf", json.dumps({"type": "multus-shim", "delegates": []}))
    assert found(check_cni, make_host(cni=cni))["CNI chain"].level == "ok"
    _conflist(put, "10-net.conflist", "bridge", "secnet-cni")
    left = found(check_cni, make_host(cni=cni))["CNI chain"]
    assert (left.level, "10-net.conflist" in left.finding) == ("warn", True)
