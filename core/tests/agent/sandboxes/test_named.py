"""The network namespace that a Pod of the manifests names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.sandboxes.named import NETNS_ANNOTATION, NamedNetns
from secnet.contract import InvalidConfig, SecnetError
from secnet_testing.netns import NetnsFactory


def pod(path: Any, uid: str = "u1") -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": "web", "uid": uid, "annotations": {NETNS_ANNOTATION: path}}}


@pytest.mark.kernel
def test_the_container_id_follows_from_the_pod_and_the_namespace(netns_factory: NetnsFactory) -> None:
    first, second = netns_factory(), netns_factory()
    source = NamedNetns()
    resolved = source.resolve(pod(first.path))
    assert resolved.netns.inode == os.stat(first.path).st_ino
    assert source.resolve(pod(first.path)) == resolved
    others = {source.container_of(pod(second.path)), source.container_of(pod(first.path, uid="u2"))}
    assert len({resolved.container_id, *others}) == 3
    assert source.fingerprint(pod(first.path)) != source.fingerprint(pod(second.path))


@pytest.mark.kernel
def test_the_hosts_own_namespace_is_refused() -> None:
    with pytest.raises(SecnetError):
        NamedNetns().resolve(pod("/proc/self/ns/net"))
    assert NamedNetns().container_of(pod("/proc/self/ns/net")) is None


@pytest.mark.parametrize("path", ["relative", "", "/a\0b", 5, None])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(InvalidConfig, match="absolute path"):
        NamedNetns().resolve(pod(path))


def test_a_pod_whose_manifest_is_gone_has_ended(tmp_path: Path) -> None:
    assert NamedNetns().has_ended("c1")
    assert NamedNetns().fingerprint(pod(str(tmp_path / "none"))) is None
