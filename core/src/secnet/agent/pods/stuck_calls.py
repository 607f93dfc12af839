"""The calls into plugins that do not return: named wherever people look, and left behind by all work that can go on."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

from ..cluster.problems import ProblemList, ProblemText, problem_text
from ..model.problem import Problem
from ..model.record import Phase
from ..model.report import STUCK, NetworkReport, PodReport, SyncResult, network_report
from ..plugins.calls import PluginCalls, StuckCall, Subject
from ..sandboxes.pod_table import PodTable
from ..state.journal import Journal
from ..status.publisher import Publisher
from .controller import Controller

__all__ = ["StuckCalls"]

_log = logging.getLogger(__name__)


class StuckCalls:
    """For one thread. on_node: called with the reason and the text of a call that is about no Pod.

    What a call is about keeps its record, its locks and its place in the queue, because no one knows what the call still does.
    After its return the Pod is reconciled again; after a restart of the agent recovery detaches what it left.
    """

    def __init__(
        self,
        *,
        calls: PluginCalls,
        controller: Controller,
        pods: PodTable,
        journal: Journal,
        publisher: Publisher,
        on_node: Callable[[str, str], None],
    ) -> None:
        self._calls = calls
        self._controller = controller
        self._pods = pods
        self._journal = journal
        self._publisher = publisher
        self._on_node = on_node
        self._known: dict[int, StuckCall] = {}
        self._problems = ProblemList(time.time)

    def note(self) -> None:
        """Look again: name the calls that became stuck, and requeue the Pods of those that returned."""
        now = {call.number: call for call in self._calls.stuck()}
        for number in [each for each in self._known if each not in now]:
            self._end(self._known.pop(number))
        for number in [each for each in now if each not in self._known]:
            self._known[number] = now[number]
            self._begin(now[number])
        texts = [_problem(call) for call in self._known.values() if _pod_subject(call) is None]
        off = self._calls.off().items()
        texts += [ProblemText(what, reason, "restart the agent") for what, reason in off]
        self._problems.update(dict.fromkeys(texts))

    def problems(self) -> tuple[Problem, ...]:
        """Those that are about no Pod, and the plugins that are off, by the last `note`."""
        return self._problems.current()

    def _begin(self, call: StuckCall) -> None:
        error, subject = call.error.info, _pod_subject(call)
        if subject is None or subject.pod is None:
            self._on_node(error.reason, str(call))
            return
        key = (subject.pod.namespace, subject.pod.name)
        extra = {"pod": str(subject.pod), "interface": subject.key.ifname, "container": subject.key.container_id[:13]}
        _log.warning("%s", error, extra=extra)
        self._controller.left_behind.begin(key, call)
        self._publish(call, subject)

    def _end(self, call: StuckCall) -> None:
        _log.warning("%s has returned from %s after all, too late", call.label, call.method)
        subject = _pod_subject(call)
        if subject is not None and subject.pod is not None:
            self._controller.left_behind.end((subject.pod.namespace, subject.pod.name))

    def _publish(self, call: StuckCall, subject: Subject) -> None:
        assert subject.pod is not None
        key = (subject.pod.namespace, subject.pod.name)
        before = self._publisher.last(key)
        base = before if before is not None and before.pod.uid == subject.pod.uid else PodReport(pod=subject.pod)
        network = self._network(call, subject)
        others = [each for each in base.networks if each.interface != network.interface]
        report = dataclasses.replace(base, error=None, networks=(*others, network))
        pod = self._pods.get(key)
        if pod is not None and pod["metadata"].get("uid") != subject.pod.uid:
            pod = None  # a later Pod of the name: none of this is its own
        try:
            self._publisher.publish(key, pod, SyncResult(report=report, records=self._journal.of_pod(*key)), 0)
        except OSError as exc:
            _log.error("the report of Pod %s/%s cannot be written: %s", *key, exc)

    def _network(self, call: StuckCall, subject: Subject) -> NetworkReport:
        error, record = call.error.info, self._journal.get(subject.key)
        if record is None:
            return NetworkReport(
                network=str(subject.network or ""), phase=STUCK, interface=subject.key.ifname, error=error
            )
        report = network_report(record, error)
        return report if record.phase == Phase.ATTACHED else dataclasses.replace(report, phase=STUCK)


def _pod_subject(call: StuckCall) -> Subject | None:
    """The attachment, if it is a Pod's."""
    return call.subject if call.subject is not None and call.subject.pod is not None else None


def _problem(call: StuckCall) -> ProblemText:
    return problem_text(call.error, call.what)
