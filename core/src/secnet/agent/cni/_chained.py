"""The plugin behind the primary one in the runtime's chain: ADD attaches all networks of the Pod, the runtime sees no change.

STATUS is always 0, for an error there makes the whole node NotReady, and DEL knows no Pod: it ends what its own sandbox has.
"""

from __future__ import annotations

import logging
import threading
from functools import partial

from secnet.contract import Cancelled, SecnetError

from ._calls import Answer, answer_findings, answer_removals, require_prev_result, wait_until_ready
from ._errors import BAD_CONFIG, InvalidCniCall
from ._protocol import CniCall, Command
from ._result import passed_through
from .interface import Attacher, SandboxCall

__all__ = ["ChainedPlugin"]

_log = logging.getLogger(__name__)


class ChainedPlugin:
    """Answers calls of `type: secnet-cni`. ready_timeout: seconds that a call waits for the agent's recovery."""

    def __init__(self, attacher: Attacher, ready_timeout: float) -> None:
        self._attacher = attacher
        self._ready_timeout = ready_timeout

    def answer(self, call: CniCall, cancel: threading.Event) -> Answer:
        """The answer to any command but VERSION. Raises SecnetError."""
        if call.command is Command.STATUS:
            return Answer()
        if call.command is Command.ADD:
            return self._add(call, cancel)
        if call.command is Command.DEL:
            return self._del(call)  # needs nothing but the journal, so it does not wait for the recovery
        wait_until_ready(self._attacher, cancel, self._ready_timeout)
        if call.command is Command.CHECK:
            require_prev_result(call)
            return answer_findings(call, self._attacher.check_sandbox(call.container_id))
        return self._gc(call)

    def _add(self, call: CniCall, cancel: threading.Event) -> Answer:
        passed = passed_through(call.cni_version, call.prev_result)
        if call.pod is None:
            return Answer(result=passed)  # a sandbox that no Pod stands behind asks for nothing
        may_pass = call.pod.namespace in call.fail_open_namespaces
        if not self._attacher.ready and may_pass:
            # What the agent itself waits for may run there. Such a Pod is attached when it is seen.
            _log.warning("a Pod starts before the agent is ready, as its namespace never waits", extra=_facts(call))
            return Answer(result=passed)
        wait_until_ready(self._attacher, cancel, self._ready_timeout)
        sandbox = SandboxCall(
            container_id=call.container_id, netns=call.netns, ifname=call.ifname, pod=call.pod, may_pass=may_pass
        )
        self._attacher.attach_pod(sandbox, cancel)
        undo = partial(self._attacher.detach_sandbox, call.container_id)
        if cancel.is_set():
            undo()
            raise Cancelled("the runtime gave up; what was attached is detached again")
        return Answer(result=passed, undo=undo)

    def _del(self, call: CniCall) -> Answer:
        """An error here would keep the primary plugin, which is called after us, from its work: the agent goes on by itself."""
        try:
            self._attacher.detach_sandbox(call.container_id)
        except SecnetError as exc:
            _log.warning("an ended sandbox is not detached yet, it is tried again: %s", exc, extra=_facts(call))
        return Answer()

    def _gc(self, call: CniCall) -> Answer:
        """The runtime's list names only the primary interface of each sandbox, so only container ids can be compared.

        The caller may have made the list before a sandbox came: a sandbox that the runtime lists as ready is not ended by it.
        """
        if call.valid_attachments is None:
            raise InvalidCniCall(BAD_CONFIG, "GC needs cni.dev/valid-attachments")
        keep = {container_id for container_id, _ in call.valid_attachments}
        ours = {item.container_id for item in self._attacher.recorded() if item.chained}
        stale = [item for item in sorted(ours - keep) if self._attacher.has_ended(item)]
        return answer_removals(call, (partial(self._attacher.detach_sandbox, item) for item in stale))


def _facts(call: CniCall) -> dict[str, str]:
    return {"pod": str(call.pod or ""), "container": call.container_id[:13]}
