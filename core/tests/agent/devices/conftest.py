"""A kubelet to ask for devices, and its client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from secnet.agent.devices import KubeletDevices
from secnet_testing.podresources import PodResources, play_pod_resources


@pytest.fixture
def kubelet() -> Iterator[PodResources]:
    with play_pod_resources() as made:
        yield made


@pytest.fixture
def client(kubelet: PodResources) -> Iterator[KubeletDevices]:
    made = KubeletDevices(kubelet.socket, timeout=2.0)
    yield made
    made.close()
