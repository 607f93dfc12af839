"""The client of PodResources on a real gRPC server; what the server says is the tests' to choose."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from secnet.agent.cluster.kube.rbac import DRA_RULES
from secnet.agent.devices import KubeletDevices, ResourceSlices, all_devices
from secnet.contract import Busy, InvalidConfig, NotReady, Timeout, Unavailable, Unsupported
from secnet_testing.kubeapi.process import KubeApiProcess
from secnet_testing.podresources import PodDevices, PodResources

VF = "example.com/vf"


def pod(name: str = "web", **annotations: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name, "uid": f"u-{name}", "annotations": annotations}}


def put(kubelet: PodResources, uid: str = "u-web", name: str = "web", claims: Any = (), **containers: Any) -> None:
    kubelet.pods[uid] = PodDevices(namespace="default", name=name, containers=containers, claims=claims)


def test_all_containers_count_and_the_order_is_the_same_each_time(
    kubelet: PodResources, client: KubeletDevices
) -> None:
    """The kubelet's own order changes from call to call."""
    put(
        kubelet,
        init={VF: ["0000:3b:02.7"]},
        main={VF: ["0000:3b:02.1", "0000:3b:02.0"], "example.com/sf": ["mlx5_core.sf.10", "mlx5_core.sf.9"]},
        side={VF: ["0000:3b:02.7"]},
    )
    put(kubelet, "other", "other", main={VF: ["0000:3b:09.0"]})
    wanted = {
        VF: ("0000:3b:02.7", "0000:3b:02.0", "0000:3b:02.1"),
        "example.com/sf": ("mlx5_core.sf.9", "mlx5_core.sf.10"),
    }
    assert [client.devices_of(pod()) for _ in range(4)] == [wanted] * 4
    assert kubelet.calls == ["Get"] * 4


@pytest.mark.parametrize("get", ["unimplemented", "disabled"])
def test_a_kubelet_without_get_is_asked_for_its_list(kubelet: PodResources, client: KubeletDevices, get: str) -> None:
    kubelet.faults.get = get
    put(kubelet, main={VF: ["a"]})
    put(kubelet, "other", "other", main={VF: ["b"]})
    assert client.devices_of(pod()) == {VF: ("a",)}
    assert client.devices_of(pod("nobody")) == {}
    assert kubelet.calls == ["Get", "List"] * 2


def test_two_pods_of_one_name_in_the_list(kubelet: PodResources, client: KubeletDevices) -> None:
    """Neither answer has the uid; an ended Pod without devices does not count."""
    kubelet.faults.get = "disabled"
    put(kubelet, "old", main={})
    put(kubelet, "new", main={VF: ["b"]})
    assert client.devices_of(pod()) == {VF: ("b",)}
    put(kubelet, "old", main={VF: ["a"]})
    with pytest.raises(NotReady, match="two Pods of this name"):
        client.devices_of(pod())


def test_nothing_is_remembered(kubelet: PodResources, client: KubeletDevices) -> None:
    assert client.devices_of(pod()) == {}, "a Pod that it does not know"
    put(kubelet, main={VF: ["a"]})
    kubelet.faults.empty = True
    assert client.devices_of(pod()) == {}
    kubelet.faults.empty = False
    assert client.devices_of(pod()) == {VF: ("a",)}


def test_devices_of_claims_stand_under_their_driver(kubelet: PodResources, client: KubeletDevices) -> None:
    put(
        kubelet,
        main={},
        claims=[
            ("sriov.example.com", "0000-3b-02-1", ()),
            ("sriov.example.com", "vf0", ["example.com/net=pci-0000-3b-02-0"]),
            ("sriov.example.com", "vf2", ["example.com/other=x", "example.com/net=0000:3b:02.2"]),
            ("sf.example.com", "sf-4", ["example.com/sf=mlx5_core.sf.4"]),
            ("plain.example.com", "slot-1", ()),
        ],
    )
    assert client.devices_of(pod()) == {
        "sriov.example.com": ("0000:3b:02.0", "0000:3b:02.1", "0000:3b:02.2"),
        "sf.example.com": ("mlx5_core.sf.4",),
        "plain.example.com": ("slot-1",),
    }


def test_devices_of_claims_stand_under_what_their_driver_publishes(
    kubelet: PodResources, kubeapi: KubeApiProcess, open_reader: Any
) -> None:
    device = {"name": "vf0", "attributes": {"k8s.cni.cncf.io/resourceName": {"string": VF}}}
    pool = {"name": "node", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "sriov.example.com", "nodeName": "n1", "pool": pool, "devices": [device]}
    meta = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "s"}}
    kubeapi.create({**meta, "spec": spec})
    put(kubelet, main={VF: ["a"]}, claims=[("sriov.example.com", "vf0", ()), ("sriov.example.com", "vf1", ())])
    put(kubelet, "plain", name="plain", main={VF: ["b"]})
    for rules, wanted in (
        (DRA_RULES, {VF: ("a", "vf0"), "sriov.example.com": ("vf1",)}),
        ([], {VF: ("a",), "sriov.example.com": ("vf0", "vf1")}),
    ):
        client = KubeletDevices(kubelet.socket, slices=ResourceSlices(open_reader(rules), "n1"))
        assert "components/dra" not in client.remedy(VF, 1)
        assert client.devices_of(pod()) == wanted
        assert ("components/dra" in client.remedy(VF, 1)) == (not rules), "the remedy names the right that lacks"
        kubeapi.forget_requests()
        assert client.devices_of(pod("plain")) == {VF: ("b",)}
        assert kubeapi.requests() == [], "a Pod without claims costs no request"
        client.close()


def test_a_pci_address_is_in_lower_case_whatever_a_device_plugin_wrote(
    kubelet: PodResources, client: KubeletDevices
) -> None:
    put(kubelet, main={VF: ["0000:3B:02.1", "Slot-1"]}, side={VF: ["0000:3b:02.1"]})
    assert client.devices_of(pod()) == {VF: ("0000:3b:02.1", "Slot-1")}
    assert client.all() == (("default/web", {VF: ("0000:3b:02.1", "Slot-1")}),)


def test_a_kubelet_that_comes_and_goes(kubelet: PodResources, client: KubeletDevices) -> None:
    put(kubelet, main={VF: ["a"]})
    assert client.devices_of(pod()) == {VF: ("a",)}
    kubelet.stop()
    with pytest.raises(Unavailable, match=r"UNAVAILABLE.*kubelet\.podResources"):
        client.devices_of(pod())
    kubelet.start()
    assert eventually(client) == {VF: ("a",)}


def eventually(client: KubeletDevices) -> Any:
    for _ in range(200):
        try:
            return client.devices_of(pod())
        except Unavailable:
            threading.Event().wait(0.05)
    raise AssertionError("it does not connect again")


def test_a_kubelet_that_hangs(kubelet: PodResources) -> None:
    kubelet.faults.hold = threading.Event()
    client = KubeletDevices(kubelet.socket, timeout=0.2)
    with pytest.raises(Timeout, match="DEADLINE_EXCEEDED"):
        client.devices_of(pod())
    client.close()


def test_a_kubelet_that_hangs_is_given_the_callers_time(kubelet: PodResources) -> None:
    """The client alone would wait far longer than this test may take."""
    kubelet.faults.hold = threading.Event()
    patient = KubeletDevices(kubelet.socket, timeout=3600.0)
    with pytest.raises(Timeout, match="DEADLINE_EXCEEDED"):
        patient.devices_of(pod(), 0.2)
    patient.close()


def test_a_kubelet_that_refuses(kubelet: PodResources, client: KubeletDevices) -> None:
    kubelet.faults.refuse = (grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit")
    with pytest.raises(Busy, match="rejected by rate limit"):
        client.devices_of(pod())


def test_a_pod_of_a_cluster_cannot_name_its_devices(kubelet: PodResources, client: KubeletDevices) -> None:
    put(kubelet, main={VF: ["a"]})
    with pytest.raises(InvalidConfig, match="manifests") as caught:
        client.devices_of(pod(**{"secnet.io/devices": "[]"}))
    assert caught.value.path == "$.metadata.annotations['secnet.io/devices']"
    assert kubelet.calls == []


def test_what_may_come(client: KubeletDevices) -> None:
    limits = {"containers": [{"resources": {"limits": {VF: "1"}}}]}
    assert client.may_come({**pod(), "spec": limits}, VF)
    assert client.may_come({**pod(), "spec": {"resourceClaims": [{"name": "c"}]}}, VF)
    assert not client.may_come({**pod(), "spec": limits}, "example.com/other")


def test_the_check_asks_for_real(kubelet: PodResources, tmp_path: Path) -> None:
    put(kubelet, main={})
    assert len(all_devices(kubelet.socket)) == 1
    with pytest.raises(Unavailable):
        all_devices(tmp_path / "none.sock")


def test_grpc_is_loaded_by_the_first_question() -> None:
    code = (
        "import sys, secnet.agent.process.app, secnet.agent.devices\n"
        "from pathlib import Path\n"
        "client = secnet.agent.devices.KubeletDevices(Path('/x'))\n"
        "assert 'grpc' not in sys.modules and 'google.protobuf' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("missing", ["grpc", "google.protobuf"])
def test_without_the_extra_the_error_names_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is missing cannot be had otherwise: this environment has the extra.
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "secnet.agent.devices.podresources_pb2", raising=False)
    monkeypatch.delattr("secnet.agent.devices.podresources_pb2", raising=False)
    with pytest.raises(Unsupported, match=r"pip install 'secnet\[cluster\]'"):
        KubeletDevices(Path("/x")).devices_of(pod())
