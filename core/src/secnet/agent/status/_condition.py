"""The Pod condition `secnet.io/SecondaryNetworksReady`, usable as a readiness gate.

It is True as soon as every network is attached, by us or by a caller of the CNI plugin, and at once for a Pod that has the gate
and no networks of ours, so that the gate can stand in every Pod template. When the Pod has ended it is False, as Ready is. Of
an attachment only drift that a check found, or a part of the node that cuts it off, makes it False: no one takes Pods out of
service by editing or deleting a NAD or an IPPool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import Gone, NotReady

from ..model.pod import is_finished
from ..model.record import Phase
from ..model.report import DEGRADED, LATE, NetworkReport, PodReport

__all__ = ["CONDITION_TYPE", "condition_of", "has_condition", "has_gate"]

CONDITION_TYPE = "secnet.io/SecondaryNetworksReady"

_MESSAGE_LIMIT = 1024
_ENDS = {"Succeeded": "Completed", "Failed": "Failed"}  # the kubelet's reasons for Ready
_WITHOUT_SANDBOX = {NotReady.__name__, Gone.__name__}


def has_gate(pod: Mapping[str, Any]) -> bool:
    """Whether the Pod names the condition as a readiness gate."""
    gates = (pod.get("spec") or {}).get("readinessGates") or []
    return any(gate.get("conditionType") == CONDITION_TYPE for gate in gates)


def has_condition(pod: Mapping[str, Any]) -> bool:
    """Whether it was published already."""
    return any(c.get("type") == CONDITION_TYPE for c in (pod.get("status") or {}).get("conditions") or [])


def condition_of(pod: Mapping[str, Any], report: PodReport | None) -> dict[str, str] | None:
    """The condition that the Pod should have, None if it needs none.

    The report of a sandbox that failed names no networks: whatever its reason, the reader wants to know it.
    """
    had = has_condition(pod)
    if is_finished(pod):
        return _condition("False", f"Pod{_ENDS.get(pod['status']['phase'], 'Failed')}", "") if had else None
    if report is None or (report.error is None and not report.networks):
        return _without_our_own(report) if had or has_gate(pod) else None
    errors = [
        (network.interface, network.error) for network in report.networks if network.error and not _works(network)
    ]
    if report.error is not None and report.error.reason == NotReady.__name__ and report.networks and not had:
        return None  # its sandbox is not there yet; a missing condition says the same and costs no request
    if report.error is not None and had and report.error.reason not in _WITHOUT_SANDBOX and _all_work(report):
        return None  # the runtime does not answer, or the annotation was mistyped: the interfaces are as they were
    if report.error is not None:
        return _condition("False", report.error.reason, str(report.error))
    if errors:
        text = "; ".join(f"{interface}: {error}" if interface else str(error) for interface, error in errors)
        return _condition("False", errors[0][1].reason, text)
    if not _all_work(report):
        return _condition("False", "Pending", "not every network is attached yet")
    notes = "; ".join(f"{network.interface}: {note}" for network in report.networks for note in network.notes)
    return _condition("True", LATE if any(network.late for network in report.networks) else "Attached", notes)


def _without_our_own(report: PodReport | None) -> dict[str, str]:
    """Of a Pod whose annotation asks this agent for nothing."""
    if report is not None and report.uncalled:
        message = f"{', '.join(report.uncalled)}: left to Multus, which has not called for it in this sandbox"
        return _condition("False", "NotCalled", f"{message}; if the Pod runs already, delete it")
    if report is not None and report.called:
        return _condition("True", "Attached", f"{', '.join(report.called)}: by the caller of the CNI plugin")
    return _condition("True", "NoSecondaryNetworks", "")


def _all_work(report: PodReport) -> bool:
    return bool(report.networks) and all(n.phase == Phase.ATTACHED or _works(n) for n in report.networks)


def _works(network: NetworkReport) -> bool:
    """Attached, and what is wrong is not with the interface."""
    if network.repairing or network.phase != DEGRADED or network.error is None:
        return False
    return network.error.reason != DEGRADED


def _condition(status: str, reason: str, message: str) -> dict[str, str]:
    condition = {"type": CONDITION_TYPE, "status": status, "reason": reason}
    return condition | ({"message": message[:_MESSAGE_LIMIT]} if message else {})
