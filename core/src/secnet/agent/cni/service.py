"""From a raw call to its answer: whatever happens on the way, the runtime gets an answer that CNI knows."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from secnet.contract import SecnetError

from .attacher import Attacher
from .calls import Answer
from .chained import ChainedPlugin
from .device_info import DEVICE_INFO_DIR
from .errors import error_result, internal_error
from .protocol import CHAINED_TYPE, SUPPORTED_VERSIONS, CniCall, Command, parse_call, version_of
from .single import SinglePlugin
from .wire import RawCall

__all__ = ["CniService"]

_log = logging.getLogger(__name__)


class CniService:
    """Answers CNI calls of both types with the help of an attacher. Thread-safe.

    ready_timeout: seconds that a call waits for the agent's recovery before it is told to come again.
    """

    def __init__(
        self, attacher: Attacher, *, ready_timeout: float = 30.0, device_info_dir: Path = DEVICE_INFO_DIR
    ) -> None:
        self._chained = ChainedPlugin(attacher, ready_timeout)
        self._single = SinglePlugin(attacher, ready_timeout, device_info_dir)

    def answer(self, raw: RawCall, cancel: threading.Event) -> Answer:
        """The answer; never raises. `cancel` is set when the runtime gave up."""
        facts: dict[str, str] = {}
        try:
            call = parse_call(raw)
            facts = {"pod": str(call.pod or ""), "container": call.container_id[:13], "command": call.command}
            return self._dispatch(call, cancel)
        except SecnetError as exc:
            _log.warning("a CNI call fails: %s", exc, extra=facts)
            return Answer(failed=True, result=error_result(version_of(raw.stdin), exc))
        except Exception as exc:
            _log.exception("a CNI call fails within the agent", extra=facts)
            return Answer(failed=True, result=internal_error(version_of(raw.stdin), exc))

    def _dispatch(self, call: CniCall, cancel: threading.Event) -> Answer:
        if call.command is Command.VERSION:
            return Answer(result={"cniVersion": call.cni_version, "supportedVersions": list(SUPPORTED_VERSIONS)})
        plugin = self._chained if call.plugin_type == CHAINED_TYPE else self._single
        return plugin.answer(call, cancel)
