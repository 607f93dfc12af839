"""A test run that is killed leaves no process, and the next cluster removes the rest. Processes and namespaces are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from secnet_testing.kubernetes.cgroups import cgroups_below
from secnet_testing.kubernetes.leftovers import remove_leftovers

_RUN = """
import sys, time
from pathlib import Path
from secnet_testing.kubernetes.cluster import LocalCluster

cluster = LocalCluster(Path(sys.argv[1]), nodes=1)
cluster.start()
print(cluster.folder, cluster.plane.namespace.name.removesuffix("-cp"), flush=True)
time.sleep(1000)
"""


def processes_of(folder: str) -> list[str]:
    """Those that name a folder in their command line."""
    found = subprocess.run(["pgrep", "-af", folder], capture_output=True, text=True, check=False).stdout
    return found.splitlines()


@pytest.mark.skipif("KUBECONFIG" in os.environ, reason="makes a cluster of its own, and KUBECONFIG names another")
def test_a_run_that_is_killed_leaves_nothing(kube: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", _RUN, str(kube)]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        folder, name = run.stdout.readline().split()
        remove_leftovers()  # of a cluster in use it takes nothing
        assert processes_of(folder)
        assert sorted(path.name for path in Path("/run/netns").glob(f"{name}-*")) == [f"{name}-cp", f"{name}-n1"]
        run.send_signal(signal.SIGKILL)
    until = time.monotonic() + 30
    while left := processes_of(folder):
        assert time.monotonic() < until, left
        time.sleep(0.1)
    remove_leftovers()
    assert not Path(folder).exists()
    assert list(Path("/run/netns").glob(f"{name}-*")) == []
    assert list(cgroups_below(f"{name}-")) == []
