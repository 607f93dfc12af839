"""What the tests on a real container runtime share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from secnet_testing.kubeapi.process import KubeApiProcess, kubeapi
from secnet_testing.kubelet import Kubelet
from secnet_testing.runtime.runtime import Runtime

__all__ = ["kubeapi"]

KubeletFactory = Callable[[], Kubelet]


@pytest.fixture
def kubelet_factory(runtime: Runtime, kubeapi: KubeApiProcess) -> Iterator[KubeletFactory]:
    """Makes a running kubelet of `node-1`; the last one of a test is stopped at its end, any other by the test."""
    kubeapi.add_token("kubelet-token", None)
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
