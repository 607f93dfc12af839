"""The network namespace that a Pod of the manifests names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.sandboxes.named import NETNS_ANNOTATION, NamedNetns
from secnet.contract import InvalidConfig, NotReady
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
    link = Path("/run/netns") / f"sn-{os.getpid()}"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("/proc/self/ns/net")
    try:
        with pytest.raises(InvalidConfig, match="where no Pod interface may be made"):
            NamedNetns().resolve(pod(str(link)))
        assert NamedNetns().container_of(pod(str(link))) is None
    finally:
        link.unlink()


@pytest.mark.parametrize(
    "path",
    [
        *("relative", "", "/run/netns/a\0b", "/run/netns/a\nb", 5, None, "run/netns/a"),
        *("/proc/self/ns/net", "/proc/1/ns/net", "/run/netns", "/run/netns/", "/run/netns/../../proc/1/ns/net"),
        *("/run/netns/./a", "/run/netns//a", "/elsewhere/run/netns/a", "//run/netns/a", "/run/docker/netns/a"),
    ],
)
def test_a_path_that_is_not_below_the_one_folder_is_refused(path: Any) -> None:
    with pytest.raises(InvalidConfig, match="below /run/netns"):
        NamedNetns().resolve(pod(path))
    assert NamedNetns().container_of(pod(path)) is None


@pytest.mark.parametrize("path", ["/run/netns/a", "/var/run/netns/a", "/run/netns/folder/a", "/run/netns/netns/a"])
def test_a_path_below_it_is_waited_for(path: str) -> None:
    with pytest.raises(NotReady):
        NamedNetns().resolve(pod(path))


def test_a_pod_whose_manifest_is_gone_has_ended(tmp_path: Path) -> None:
    assert NamedNetns().has_ended("c1")
    assert NamedNetns().fingerprint(pod(str(tmp_path / "none"))) is None
