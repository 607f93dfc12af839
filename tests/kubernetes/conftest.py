"""What the tests on a whole Kubernetes share: one cluster with secnet in it, and a namespace for each test."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet_testing.kubernetes import binaries, secnet
from secnet_testing.kubernetes.balance import assert_balanced
from secnet_testing.kubernetes.cluster import Cluster, ExternalCluster, LocalCluster, Object
from secnet_testing.kubernetes.images import image_archive
from secnet_testing.kubernetes.namespace import OwnNamespace
from secnet_testing.kubernetes.secnet import Helm, Kustomize
from secnet_testing.kubernetes.situation import situation
from xdist.scheduler import LoadScopeScheduling

_HERE = Path(__file__).parent
_SECONDS = 700
"""A test may take so long, the start of the cluster and the renewal of a token included."""

# The quick start has a cluster of its own, before the shared one takes its memory. Then long waits begin first and end last; the
# installation goes at the very end.
_ALONE = "test_quickstart.py"
_FIRST = ("test_a_node_is_removed",)
_LAST = ("test_removed_node.py", "test_audit.py", "test_switching.py")

# Three processes take half of the time of one, as most tests wait; each has a cluster. In the first, Pods and agents live and
# die. In the second, nothing disturbs what takes minutes. The last one has what is about manifests, the installation and
# devices, and everything that needs an API server only.
_LIFE, _WAITS, _REST = "life", "waits", "installation"
_CLUSTER_OF = {
    "test_agent_outage.py": _LIFE,
    "test_chaining.py": _LIFE,
    "test_departures.py": _LIFE,
    "test_edits.py": _LIFE,
    "test_faults.py": _LIFE,
    "test_node_groups.py": _LIFE,
    "test_requests.py": _LIFE,
    "test_rights.py": _LIFE,
    "test_vlans.py": _LIFE,
    "test_workloads.py": _LIFE,
    "test_removed_node.py": _WAITS,
    "test_audit.py": _WAITS,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring this tier into its order."""

    def place(item: pytest.Item) -> int:
        if item.path.name == _ALONE:
            return -2
        if item.name in _FIRST:
            return -1
        return _LAST.index(item.path.name) + 1 if item.path.name in _LAST else 0

    items.sort(key=place)
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.timeout(_SECONDS))


class _ByCluster(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives the tests of one cluster to one process, in their order."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        for cluster in (_LIFE, _WAITS, _REST):  # the parameter of a test that each of them has
            if name.endswith(f"[{cluster}]"):
                return cluster
        return _CLUSTER_OF.get(file.removeprefix("tests/kubernetes/"), _REST)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """The groups of pytest-xdist itself do not work with the pinned pytest."""
    return _ByCluster(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what its cluster says of itself at that moment."""
    report = yield
    asked = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(asked, Cluster):
        report.sections.append(("the cluster after the failure", situation(asked)))
    return report


@pytest.fixture(scope="session")
def kube() -> Path:
    """The program that is each of Kubernetes' own, by its first argument."""
    return binaries.kube()


@pytest.fixture(scope="session")
def kustomize(kube: Path) -> Kustomize:
    """Builds the kustomization of a folder with the real kustomize, which is part of kubectl."""

    def build(folder: Path) -> list[Object]:
        return secnet.documents([str(kube), "kubectl", "kustomize", str(folder)])

    return build


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Runs helm; what it printed. AssertionError with its messages if it fails."""
    program = binaries.helm()

    def run(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr or done.stdout}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def cluster(kube: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in which secnet is installed as the documents say, with the component sync."""
    if named := os.environ.get("KUBECONFIG"):
        external = ExternalCluster(tmp_path_factory.mktemp("kubectl"), kube, Path(named))
        assert external.get("daemonset", "secnet-agent", secnet.NAMESPACE), f"{named}: secnet is not installed there"
        yield external
        return
    local = LocalCluster(kube, [image_archive()])
    try:
        local.start()
        secnet.install(local, tmp_path_factory.mktemp("install") / "my-secnet")
        yield local
    finally:
        if logs := os.environ.get("SECNET_KEEP_LOGS"):
            local.keep_logs(Path(logs))
        local.close()


@pytest.fixture
def local_cluster(cluster: Cluster) -> LocalCluster:
    """The same, for tests that reach into nodes or stop the API: no cluster of KUBECONFIG will do."""
    if not isinstance(cluster, LocalCluster):
        pytest.skip("reaches into nodes or the control plane, which KUBECONFIG does not give")
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[OwnNamespace]:
    """A namespace for this test. At its end it goes with all Pods in it, and what is left has to agree."""
    made = OwnNamespace(name=f"sn-{secrets.token_hex(3)}", cluster=cluster)
    cluster.kubectl("create", "namespace", made.name)
    # Pods are refused until the controller has made the account.
    cluster.wait(lambda: cluster.get("serviceaccount", "default", made.name), f"{made.name} has its account")
    yield made
    made.kubectl("delete", "deployments,statefulsets,daemonsets,cronjobs,jobs", "--all", "--cascade=foreground")
    made.kubectl("delete", "pods", "--all", "--wait")
    cluster.kubectl("delete", "namespace", made.name, "--wait=false")
    assert_balanced(cluster)
