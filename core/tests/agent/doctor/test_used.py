"""What only network types lack of which there is no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.kube import Credentials, open_reader
from secnet.agent.doctor import used_types
from secnet.agent.doctor._mounts import check_mounts
from secnet_testing.kubeapi.process import KubeApiProcess


def nad(name: str, config: object) -> dict[str, Any]:
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"config": config if isinstance(config, str) else json.dumps(config)},
    }


def test_the_types_of_all_networks(kubeapi: KubeApiProcess, tmp_path: Path) -> None:
    for obj in (
        nad("a", {"type": "antrea", "networkType": "vlan"}),
        nad("b", {"plugins": [{"type": "secnet", "networkType": "sriov"}, {"type": "tuning"}]}),
        nad("c", {"type": "macvlan"}),
        nad("d", "{"),
        nad("e", ["networkType"]),
    ):
        kubeapi.create(obj)
    api = open_reader(Credentials(kubeapi.kubeconfig(tmp_path / "kubeconfig")))
    assert used_types(api) == {"vlan", "sriov"}
    api.close()
    assert used_types(api) is None, "unknown, and not none at all"


@pytest.mark.parametrize(
    ("used", "drivers", "level"),
    [
        (None, {}, "warn"),
        (frozenset({"vlan"}), {}, "ok"),
        (frozenset({"sriov"}), {}, "warn"),
        (frozenset({"vlan"}), {"sriov": {"representorUplink": "eth9"}}, "FAIL"),
    ],
)
def test_a_node_that_never_wanted_sriov(
    make_host: Any, found: Any, put: Any, used: frozenset[str] | None, drivers: dict[str, Any], level: str
) -> None:
    """A container without the component `sriov`: its /sys is read-only."""
    put("/proc/self/mountinfo", "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 / /sys ro - sysfs sysfs ro\n")
    host = make_host(used=used, drivers=drivers)
    result = found(check_mounts, host)["/sys"]
    assert result.level == level
    assert result.finding.startswith("read-only, but sriov")
    assert bool(result.remedy) == (level != "ok")
