"""Reports of a node for the tests of its drawing."""

from __future__ import annotations

from secnet.agent.model.report import NetworkReport, NodeState, PodReport
from secnet.agent.topology import build
from secnet.contract import ErrorInfo, Finding, NodeReport, PodRef

LONGEST = "n" * 253


ERROR = ErrorInfo(reason="NotReady", message="the bridge <br> & \x1b[31mmore\x00 is\nmissing", hint="x" * 300)


def pod_report(
    name: str, *networks: NetworkReport, namespace: str = "default", error: ErrorInfo | None = None
) -> PodReport:
    return PodReport(pod=PodRef(namespace=namespace, name=name, uid=name), networks=networks, error=error)


def network_report(vlan: int | None = 100, ifname: str = "eth1", bridge: str = "br1", **rest: object) -> NetworkReport:
    given = {
        "network": "default/red",
        "phase": "Attached",
        "network_type": "vlan",
        "addresses": ("10.0.0.5/24",),
        **rest,
    }
    return NetworkReport(vlan=vlan, interface=ifname, details={"bridge": bridge} if bridge else {}, **given)  # type: ignore[arg-type]


def node_state(*findings: str, **uplinks: list[str]) -> NodeState:
    report = NodeReport(
        findings=tuple(Finding(code="NotReady", message=text) for text in findings),
        details={"bridges": [name.replace("_", "-") for name in uplinks], "uplinks": uplinks},
    )
    return NodeState(network_type="vlan", report=report)


SMALL = build(
    "worker-1",
    [node_state("OVS bridge br1: the uplink eth9 does not exist", br1=["eth1", "eth9"], br2=[])],
    [
        pod_report("web", network_report(), network_report(0, "eth2")),
        pod_report("db", network_report(phase="Degraded", error=ErrorInfo(reason="Degraded", message="no port"))),
        pod_report("nic", network_report(None, bridge="", network_type="sriov", addresses=())),
        pod_report("bad", network_report(None, "eth1", "", phase="Pending", error=ERROR, addresses=())),
        pod_report("worse", error=ErrorInfo(reason="InvalidAnnotation", message="no JSON")),
    ],
)
