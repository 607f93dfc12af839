"""The cache of NADs: what a Pod that names a missing one waits for."""

from __future__ import annotations

import pytest
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.plugins.registry import Registry
from secnet.contract import NetworkRef, ObjectNotFound, ObjectRef
from secnet_testing.sample_plugins import sample_entry_points


def test_a_missing_nad_is_what_the_pod_waits_for() -> None:
    """By reference: one whose name begins alike wakes nobody."""
    nads = NadCache(Registry.load(sample_entry_points))
    with pytest.raises(ObjectNotFound) as raised:
        nads.look_up(NetworkRef(namespace="web", name="lan1"))
    nad = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    assert raised.value.waits_for == (ObjectRef.of(nad | {"metadata": {"namespace": "web", "name": "lan1"}}),)
    assert ObjectRef.of(nad | {"metadata": {"namespace": "web", "name": "lan10"}}) not in raised.value.waits_for
