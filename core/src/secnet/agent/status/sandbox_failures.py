"""Why the last sandbox of a Pod failed, shown until there is another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from secnet.contract import NotReady, SecnetError

from ..model.pod import PodKey, pod_ref
from ..model.report import PodReport, SyncResult

__all__ = ["SandboxFailures"]


class SandboxFailures:
    """Remembers one failure for each Pod. Thread-safe for different Pods."""

    def __init__(self) -> None:
        self._reports: dict[PodKey, PodReport] = {}

    def note(self, key: PodKey, pod: Mapping[str, Any], error: SecnetError) -> PodReport:
        """This Pod's sandbox failed; returns the report to publish."""
        report = self._reports[key] = PodReport(pod=pod_ref(pod), error=error.info)
        return report

    def shown(self, key: PodKey, result: SyncResult) -> SyncResult:
        """The result to publish. Between two sandboxes there is none, but the reader wants to know why the last one failed."""
        failure, report = self._reports.get(key), result.report
        waits = report is not None and report.error is not None and report.error.reason == NotReady.__name__
        if failure is None or report is None or not waits or failure.pod != report.pod:
            self._reports.pop(key, None)
            return result
        return dataclasses.replace(result, report=failure)
