"""What the tests on a real container runtime share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.kubelet import Kubelet
from secnet_testing.runtime.runtime import Runtime

KubeletFactory = Callable[[], Kubelet]


@pytest.fixture(scope="module")
def one_kubeapi() -> Iterator[KubeApiProcess]:
    """The API server that tests share; they take `kubeapi`."""
    server = KubeApiProcess(bookmarks=0.2)
    server.add_token("kubelet-token", None)
    yield server
    server.stop()


@pytest.fixture
def kubeapi(one_kubeapi: KubeApiProcess) -> Iterator[KubeApiProcess]:
    """A running API server without Pods."""
    yield one_kubeapi
    for pod in one_kubeapi.items("/api/v1/pods"):
        one_kubeapi.delete({"apiVersion": "v1", "kind": "Pod", **pod})


@pytest.fixture
def kubelet_factory(runtime: Runtime, kubeapi: KubeApiProcess) -> Iterator[KubeletFactory]:
    """Makes a running kubelet of `node-1`; the last one of a test is stopped at its end, any other by the test."""
    made: list[Kubelet] = []

    def make() -> Kubelet:
        made.append(Kubelet(runtime, "node-1", kubeapi.url, "kubelet-token"))
        made[-1].start()
        return made[-1]

    yield make
    if made:
        made[-1].stop()


@pytest.fixture
def kubelet(kubelet_factory: KubeletFactory) -> Kubelet:
    """A running kubelet of `node-1`."""
    return kubelet_factory()
