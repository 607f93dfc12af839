"""From a raw call to its answer: whatever happens on the way, the runtime gets an answer that CNI knows."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from secnet.contract import SecnetError, Unavailable

from ..base.logs import is_logged
from ._calls import Answer
from ._chained import ChainedPlugin
from ._device_info import DEVICE_INFO_DIR
from ._errors import error_result, internal_error, not_available
from ._protocol import CHAINED_TYPE, SUPPORTED_VERSIONS, CniCall, Command, parse_call, version_of
from ._result import passed_through
from ._single import SinglePlugin
from ._wire import RawCall
from .interface import Attacher

__all__ = ["CniService"]

_log = logging.getLogger(__name__)


class CniService:
    """Answers CNI calls of both types with the help of an attacher. Thread-safe.

    ready_timeout: seconds that a call waits for the agent's recovery before it fails with "try again". teardown_only: refuse ADD,
    serve DEL.
    """

    def __init__(
        self,
        attacher: Attacher,
        *,
        ready_timeout: float = 30.0,
        device_info_dir: Path = DEVICE_INFO_DIR,
        teardown_only: bool = False,
    ) -> None:
        self._chained = ChainedPlugin(attacher, ready_timeout)
        self._single = SinglePlugin(attacher, ready_timeout, device_info_dir)
        self._ends_only = teardown_only

    def answer(self, raw: RawCall, cancel: threading.Event) -> Answer:
        """The answer; never raises. `cancel` is set when the runtime gave up."""
        facts: dict[str, str] = {}
        try:
            call = parse_call(raw)
            facts = {"pod": str(call.pod or ""), "container": call.container_id[:13], "command": call.command}
            return self._dispatch(call, cancel)
        except SecnetError as exc:
            # What failed while it attached has a line already, which names network and interface as well.
            _log.log(logging.DEBUG if is_logged(exc) else logging.WARNING, "a CNI call fails: %s", exc, extra=facts)
            return Answer(failed=True, result=error_result(version_of(raw.stdin), exc))
        except Exception as exc:
            _log.exception("a CNI call fails within the agent", extra=facts)
            return Answer(failed=True, result=internal_error(version_of(raw.stdin), exc))

    def _dispatch(self, call: CniCall, cancel: threading.Event) -> Answer:
        if call.command is Command.VERSION:
            return Answer(result={"cniVersion": call.cni_version, "supportedVersions": list(SUPPORTED_VERSIONS)})
        chained = call.plugin_type == CHAINED_TYPE
        if self._ends_only and (refused := _refused(call, chained)) is not None:
            return refused
        plugin = self._chained if chained else self._single
        return plugin.answer(call, cancel)


def _refused(call: CniCall, chained: bool) -> Answer | None:
    """As the plugin alone would answer, were there no agent; None for what is served in any case."""
    why = Unavailable(
        "the agent of this node serves the CNI plugin no longer, but for what ends",
        hint="have the section cni in its node configuration, or take the plugin out of the CNI configuration",
    )
    if call.command is Command.STATUS and not chained:
        return Answer(failed=True, result=not_available(call.cni_version, why.info))
    if call.command is not Command.ADD:
        return None
    if chained and call.pod is not None and call.pod.namespace in call.fail_open_namespaces:
        return Answer(result=passed_through(call.cni_version, call.prev_result))
    raise why
