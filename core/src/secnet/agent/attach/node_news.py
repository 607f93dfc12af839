"""What changed in the per-node state of a network type, for the log and for Events of the Node."""

from __future__ import annotations

import logging
from collections.abc import Callable

from secnet.contract import ComponentState, Finding, NodeComponent

from ..model.report import NodeState

__all__ = ["NodeNews", "RecordEvent"]

_log = logging.getLogger(__name__)

RecordEvent = Callable[[bool, str, str], None]
"""Records an Event of the Node: whether it is a warning, its reason and its message."""


class NodeNews:
    """Says each change once. record_event: see `RecordEvent`."""

    def __init__(self, record_event: RecordEvent = lambda warning, reason, message: None) -> None:
        self._record = record_event

    def tell(self, before: NodeState | None, now: NodeState) -> None:
        """Log and record what is another now than before; None before the first round."""
        about = f"network type {now.network_type}"
        if now.error is not None and (before is None or before.error != now.error):
            self._warn(now.error.reason, f"{about}: node not ready: {now.error}")
        elif now.error is None and before is not None and before.error is not None:
            _log.info("%s: the per-node state is made", about)
        for finding in now.report.findings:
            if before is None or finding not in before.report.findings:
                self._finding(about, finding)
        known = {} if before is None else {(each.kind, each.name): each for each in before.observation.components}
        for component in now.observation.components:
            self._component(about, known.get((component.kind, component.name)), component)

    def _finding(self, about: str, finding: Finding) -> None:
        words = "" if finding.advisory else "node not ready: "
        self._warn(finding.code, f"{about}: {words}{finding.code}: {finding.message}")

    def _component(self, about: str, before: NodeComponent | None, now: NodeComponent) -> None:
        if before is not None and (before.state, before.message) == (now.state, now.message):
            return
        reason, text = f"{now.kind.title()}{now.state}", f"{about}: {now}"
        if now.state is not ComponentState.UP:
            self._warn(reason, text)
            return
        _log.info("%s", text)
        if before is not None:  # at the start everything comes up, which is no news
            self._record(False, reason, text)

    def _warn(self, reason: str, text: str) -> None:
        _log.warning("%s", text)
        self._record(True, reason, text)
