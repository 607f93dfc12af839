"""What the DaemonSet allows is enough for our kernel library, in a container of the real runc.

The container has the capabilities of the manifest and nothing else of the root user, /proc/sys read-only as runtimes mount it,
and the host's network namespace. Its files are the host's, read-only, so no image is needed. Not here: AppArmor and SELinux,
which the machines of the tests do not have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet_conformance.needs import requires_root
from secnet_testing.documents import ROOT
from secnet_testing.netns import Namespace, NetnsFactory, run_in

pytestmark = pytest.mark.kernel

_LINKS = ("bin", "sbin", "lib", "lib64")

# Everything that the agent needs its privileges for, in the words of the library that it uses.
_PROGRAM = """
import json, os, socket, sys
from pathlib import Path
from secnet.linux import netns, sysctl
from secnet.linux.privileges import lacking
from secnet.linux.rtnl import Rtnl
if sys.argv[2:]:
    sysctl.make_writable()
found = {"lacking": lacking(Path("/proc"), "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_NET_RAW")}
fd = os.open(sys.argv[1], os.O_RDONLY)
sysctl.write_in(fd, "ipv4/conf/lo/arp_notify", "1")
found["arp_notify"] = sysctl.read_in(fd, "ipv4/conf/lo/arp_notify")
found["raw"] = netns.in_netns(fd, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close())
try:
    Path("/etc/written").touch()
except OSError as exc:
    found["root"] = exc.strerror
print(json.dumps(found))
"""


@pytest.fixture
def pod(netns_factory: NetnsFactory) -> Namespace:
    return netns_factory()


def _container() -> dict[str, Any]:
    data = yaml.safe_load((ROOT / "deploy/base/daemonset.yaml").read_text())
    (container,) = data["spec"]["template"]["spec"]["containers"]
    return dict(container)


def _config(bundle: Path, arguments: list[str], capabilities: list[str]) -> dict[str, Any]:
    """An OCI configuration: runc's own example, and in it what kubelet and containerd would put for our container."""
    subprocess.run(["runc", "spec"], cwd=bundle, check=True, timeout=30)
    config: dict[str, Any] = json.loads((bundle / "config.json").read_text())
    process, linux = config["process"], config["linux"]
    process |= {"terminal": False, "args": arguments, "cwd": "/", "noNewPrivileges": False}
    process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), capabilities)
    process.pop("rlimits", None)
    linux["namespaces"] = [item for item in linux["namespaces"] if item["type"] != "network"]
    assert "/proc/sys" in linux["readonlyPaths"]
    linux.pop("resources", None)
    mounts = [item for item in config["mounts"] if item["type"] != "cgroup" and item["destination"] != "/sys"]
    mounts.append({"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "ro"]})
    mounts.append({"destination": "/run/netns", "type": "bind", "source": "/run/netns", "options": ["rbind", "rslave"]})
    for folder in {"/usr", str(ROOT), str(Path(sys.executable).resolve().parents[1])}:
        mounts.append({"destination": folder, "type": "bind", "source": folder, "options": ["rbind", "ro"]})
    config["mounts"] = sorted(mounts, key=lambda item: len(Path(item["destination"]).parts))
    config["root"] = {"path": "rootfs", "readonly": True}
    return config


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Path]:
    requires_root()
    rootfs = tmp_path / "rootfs"
    for folder in ("proc", "sys", "dev", "etc", "usr", "run/netns", str(ROOT)[1:]):
        (rootfs / folder).mkdir(parents=True, exist_ok=True)
    for name in _LINKS:
        if (Path("/") / name).is_symlink():
            (rootfs / name).symlink_to(Path("/", name).readlink())
    yield tmp_path
    run = ["runc", "--root", str(tmp_path / "runc"), "delete", "--force", f"sn-{tmp_path.name}"]
    subprocess.run(run, capture_output=True, timeout=30, check=False)


def _run(bundle: Path, arguments: list[str], capabilities: list[str]) -> subprocess.CompletedProcess[str]:
    names = [f"CAP_{name}" for name in capabilities]
    (bundle / "config.json").write_text(json.dumps(_config(bundle, arguments, names)))
    command = ["runc", "--root", str(bundle / "runc"), "run", "--bundle", str(bundle), f"sn-{bundle.name}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _command(pod: Namespace) -> list[str]:
    """The library's program in place of the agent; what the agent does first, it does as well."""
    return [sys.executable, "-c", _PROGRAM, f"/run/netns/{pod.name}", "writable"]


def test_the_capabilities_of_the_manifest_are_enough(bundle: Path, pod: Namespace) -> None:
    capabilities = _container()["securityContext"]["capabilities"]["add"]
    done = _run(bundle, _command(pod), capabilities)
    assert done.returncode == 0, done.stderr
    expected = {"lacking": "", "arp_notify": "1", "raw": None, "root": "Read-only file system"}
    assert json.loads(done.stdout) == expected
    assert run_in(pod, ["cat", "/proc/sys/net/ipv4/conf/lo/arp_notify"]).strip() == "1"


@pytest.mark.parametrize("capability", _container()["securityContext"]["capabilities"]["add"])
def test_none_of_them_can_be_left_out(bundle: Path, pod: Namespace, capability: str) -> None:
    capabilities = [name for name in _container()["securityContext"]["capabilities"]["add"] if name != capability]
    done = _run(bundle, _command(pod), capabilities)
    assert done.returncode != 0 or f"CAP_{capability}" in json.loads(done.stdout)["lacking"]


def test_without_the_remount_proc_sys_is_read_only(bundle: Path, pod: Namespace) -> None:
    """The control: what the agent does first earns something."""
    done = _run(bundle, _command(pod)[:-1], _container()["securityContext"]["capabilities"]["add"])
    assert done.returncode != 0
    assert "MissingPrivilege" in done.stderr
    assert "proc mount" in done.stderr
