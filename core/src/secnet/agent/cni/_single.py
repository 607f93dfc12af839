"""The plugin for ONE network, as an ordinary CNI plugin: called by Multus for a NAD of `type: secnet`, by a runtime, by cnitool.

The result describes the whole interface. The network is identified by the `name` in its configuration.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

from secnet.contract import Cancelled, ErrorInfo, Gone, SecnetError

from ._calls import Answer, answer_findings, answer_removals, require_prev_result, wait_until_ready
from ._device_info import write_device_info
from ._errors import BAD_CONFIG, InvalidCniCall, not_available
from ._protocol import CniCall, Command
from ._result import full_result
from .interface import Attached, Attacher, SandboxCall

__all__ = ["SinglePlugin"]


class SinglePlugin:
    """Answers calls of `type: secnet`.

    ready_timeout: seconds that a call waits for the agent's recovery. device_info_dir: where callers want device information.
    """

    def __init__(self, attacher: Attacher, ready_timeout: float, device_info_dir: Path) -> None:
        self._attacher = attacher
        self._ready_timeout = ready_timeout
        self._device_info_dir = device_info_dir

    def answer(self, call: CniCall, cancel: threading.Event) -> Answer:
        """The answer to any command but VERSION. Raises SecnetError."""
        if call.command is Command.STATUS:
            return self._status(call)
        # What ends something needs nothing but the journal, so it does not wait for the recovery.
        if call.command is Command.DEL:
            return self._del(call)
        if call.command is Command.GC:
            return self._gc(call)
        if call.command is Command.CHECK:
            require_prev_result(call)
        wait_until_ready(self._attacher, cancel, self._ready_timeout)
        if call.command is Command.ADD:
            return self._add(call, cancel)
        result = call.prev_result or {}
        return answer_findings(call, self._attacher.check_one(call.container_id, call.ifname, call.network, result))

    def _add(self, call: CniCall, cancel: threading.Event) -> Answer:
        if call.prev_result is not None:
            message = "a plugin stands before this one, but type secnet makes a network of its own"
            raise InvalidCniCall(BAD_CONFIG, message, "put it first, or make it a network of its own")
        sandbox = SandboxCall(container_id=call.container_id, netns=call.netns, ifname=call.ifname, pod=call.pod)
        made = self._attacher.attach_one(sandbox, call.conf, call.ifname, call.runtime, cancel)
        undo = partial(self._attacher.detach_one, call.container_id, call.ifname, call.network)
        if cancel.is_set():
            undo()
            raise Cancelled("the runtime gave up; what was attached is detached again")
        try:
            self._write_device_info(call, made)
        except SecnetError:
            undo()
            raise
        return Answer(result=full_result(call.cni_version, made, call.netns), undo=undo)

    def _write_device_info(self, call: CniCall, made: Attached) -> None:
        if call.runtime.device_info_file and made.device_info:
            write_device_info(call.runtime.device_info_file, made.device_info, self._device_info_dir)

    def _del(self, call: CniCall) -> Answer:
        with suppress(Gone):
            self._attacher.detach_one(call.container_id, call.ifname, call.network)
        return Answer()

    def _gc(self, call: CniCall) -> Answer:
        if call.valid_attachments is None:
            raise InvalidCniCall(BAD_CONFIG, "GC needs cni.dev/valid-attachments")
        stale = [
            (item.container_id, item.ifname)
            for item in self._attacher.recorded()
            if not item.chained
            and item.network == call.network
            and (item.container_id, item.ifname) not in call.valid_attachments
        ]
        return answer_removals(call, (partial(self._attacher.detach_one, *key, call.network) for key in sorted(stale)))

    def _status(self, call: CniCall) -> Answer:
        why = self._attacher.status()
        if why is None and not self._attacher.ready:
            message = "the agent is still recovering what it found after its start"
            why = ErrorInfo(reason="NotReady", message=message, hint="wait; if it goes on, see the agent's log")
        return Answer() if why is None else Answer(failed=True, result=not_available(call.cni_version, why))
