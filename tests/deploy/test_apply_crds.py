"""deploy/apply-crds: creates what is missing, and never touches what is there.

kubectl is a stand-in: there is no API server for it to speak to, and Debian 12 has a kubectl that is older than these
manifests. It answers in the words of the real one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from secnet_testing.documents import ROOT

NAMES = [
    "antreanodeconfigs.crd.antrea.io",
    "ippools.crd.antrea.io",
    "network-attachment-definitions.k8s.cni.cncf.io",
]
_STUB = """#!/bin/sh
echo "$*" >> "$CLUSTER/calls"
name=$(grep -m1 '^  name: ' "$3" | cut -d' ' -f4)
if [ -e "$CLUSTER/down" ]; then
  echo "The connection to the server localhost:8080 was refused" >&2; exit 1
elif [ -e "$CLUSTER/$name" ]; then
  echo "Error from server (AlreadyExists): error when creating \\"$3\\": customresourcedefinitions \\"$name\\" already exists" >&2
  exit 1
fi
cp "$3" "$CLUSTER/$name"
"""


class Cluster:
    """A folder with a file for each definition, and a kubectl for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "cluster"
        self.folder.mkdir()
        self.kubectl = folder / "kubectl-stub"
        self.kubectl.write_text(_STUB)
        self.kubectl.chmod(0o755)

    def apply(self, *options: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECTL": str(self.kubectl), "CLUSTER": str(self.folder)}
        command = [str(ROOT / "deploy/apply-crds"), *options]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_an_empty_cluster_gets_them_all(cluster: Cluster) -> None:
    done = cluster.apply("--context", "staging")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}: created" for name in NAMES]
    assert (cluster.folder / NAMES[1]).read_text() == (ROOT / "deploy/crds/ippools.yaml").read_text()
    calls = (cluster.folder / "calls").read_text().splitlines()
    assert [call.split(" ")[0] for call in calls] == ["create"] * 3
    assert all(call.endswith("--context staging") for call in calls)


def test_what_is_there_stays(cluster: Cluster) -> None:
    (cluster.folder / NAMES[1]).write_text("Antrea's own")
    done = cluster.apply()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{NAMES[1]}: there already; left as it is" in done.stdout.splitlines()
    assert (cluster.folder / NAMES[1]).read_text() == "Antrea's own"
    assert cluster.apply().stdout.count("there already") == 3


def test_another_failure_is_reported_and_counts(cluster: Cluster) -> None:
    (cluster.folder / "down").touch()
    done = cluster.apply()
    assert done.returncode == 1
    assert done.stderr.count("was refused") == 3
    assert done.stdout == ""


def test_without_kubectl_it_says_so(cluster: Cluster) -> None:
    cluster.kubectl.unlink()
    done = cluster.apply()
    assert (done.returncode, done.stdout) == (2, "")
    assert "KUBECTL" in done.stderr
