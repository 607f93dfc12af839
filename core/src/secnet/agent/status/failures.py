"""The reports of networks and Pods that are not as they should be, and why."""

from __future__ import annotations

from collections.abc import Iterable

from secnet.contract import Busy, Cancelled, ErrorInfo, Gone, NetworkRef, PodRef

from ..model.problem import InternalError
from ..model.record import Record
from ..model.report import FAILED, PENDING, NetworkReport, PodReport, network_report
from ..model.work import Rejected, Work

__all__ = [
    "failed_report",
    "gone_report",
    "internal_error",
    "internal_error_report",
    "outlived_error",
    "rejected_report",
]

_PASSING = {Gone.__name__, Cancelled.__name__}  # what ended the attempt is not the network's fault


def failed_report(work: Work, error: ErrorInfo) -> NetworkReport:
    """A network whose attach failed."""
    return NetworkReport(
        network=str(work.request.network),
        phase=PENDING if error.retryable or error.reason in _PASSING else FAILED,
        interface=work.request.ifname,
        network_type=work.request.network_type,
        error=error,
        nad_generation=work.nad_generation,
    )


def rejected_report(refused: Rejected) -> NetworkReport:
    """A network that was refused before anything was touched."""
    return NetworkReport(
        network=str(
            NetworkRef(namespace=refused.selection_id.network.namespace, name=refused.selection_id.network.name)
        ),
        phase=PENDING if refused.error.retryable else FAILED,
        interface=refused.ifname,
        network_type=refused.network_type,
        error=refused.error.info,
        nad_generation=refused.nad_generation,
    )


def gone_report(record: Record, error: ErrorInfo) -> NetworkReport:
    """A network whose attachment vanished during the check."""
    return NetworkReport(
        network=str(record.attachment.request.network),
        phase=PENDING if error.retryable else FAILED,
        interface=record.key.ifname,
        network_type=record.attachment.request.network_type,
        error=error,
    )


def internal_error(exc: Exception) -> ErrorInfo:
    """A fault of secnet itself, as an error that is tried again."""
    return InternalError(exc).info


def internal_error_report(pod: PodRef, records: Iterable[Record], exc: Exception) -> PodReport:
    """A Pod at which the agent itself failed; its attachments are as they were."""
    return PodReport(pod=pod, error=internal_error(exc), networks=tuple(network_report(record) for record in records))


def outlived_error(pod: PodRef) -> ErrorInfo:
    """Why a Pod keeps networks whose object is gone."""
    return Busy(
        "its object is gone, and its sandbox lives on",
        hint="its networks stay until the container runtime has ended the sandbox",
        subject=f"Pod {pod}",
    ).info
