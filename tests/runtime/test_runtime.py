"""The private container runtime itself: what it makes is gone when it ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from secnet_testing.netns import ping
from secnet_testing.runtime.daemon import CGROUPS
from secnet_testing.runtime.images import archive, busybox_image
from secnet_testing.runtime.runtime import Runtime, play_runtime

pytestmark = pytest.mark.runtime


class Mishap(Exception):
    """A test that fails while its runtime is dead."""


def ended(process: Path) -> bool:
    """Whether only the exit status of a process is left, which the machine's first process takes in when it likes."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def traces(*names: str) -> set[str]:
    """What the machine holds that names one of these: processes by command and cgroup, mounts, files, cgroups."""
    processes = [path for path in Path("/proc").glob("[0-9]*") if not ended(path)]
    texts = [Path("/proc/self/mountinfo"), *(path / file for path in processes for file in ("cmdline", "cgroup"))]
    folders = ["/run/netns", "/run/containerd/s", "/var/lib/cni/results", "/tmp", str(CGROUPS)]
    folders += [str(path) for path in CGROUPS.iterdir() if path.is_dir()]
    found = {f"{folder}/{file}" for folder in folders if os.path.isdir(folder) for file in os.listdir(folder)}
    hits = {path for path in found if any(name in path for name in names)}
    for text in texts:
        try:
            content = text.read_text(errors="replace")
        except OSError:  # the process ended meanwhile
            continue
        hits |= {f"{text}: {name}" for name in names if name in content}
    return hits


def test_nothing_is_left_when_a_test_fails_with_containerd_dead() -> None:
    names: list[str] = []
    sockets = set(os.listdir("/run/containerd/s")) if os.path.isdir("/run/containerd/s") else set()

    def live(runtime: Runtime) -> None:
        sandbox = runtime.run_pod("default", "web-0")
        runtime.start_container(sandbox)
        names.extend([runtime.folder.name, runtime.network, runtime.namespace.name, sandbox])
        made = set(os.listdir("/run/containerd/s")) - sockets
        names.extend(made)
        assert len(traces(*names)) > 10
        runtime.kill()

    def fail() -> None:
        with play_runtime() as runtime:
            live(runtime)
            raise Mishap

    with pytest.raises(Mishap):
        fail()
    assert traces(*names) == set()


def test_sandboxes_reach_each_other_and_containers_run(runtime: Runtime) -> None:
    first, second = runtime.run_pod("default", "web-0"), runtime.run_pod("default", "web-1")
    (address,) = runtime.state(second).addresses
    container = runtime.start_container(first)
    assert runtime.exec(container, "ping", "-c", "1", "-W", "5", address).code == 0
    assert ping(runtime.namespace, address)
    failed = runtime.exec(container, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (failed.code, failed.stdout, failed.stderr) == (3, "out\n", "err\n")
    runtime.remove_pod(second)
    runtime.remove_pod(second)
    assert runtime.exec(container, "ping", "-c", "1", "-W", "1", address).code != 0


def test_an_image_is_the_same_each_time() -> None:
    assert archive(busybox_image()) == archive(busybox_image())
