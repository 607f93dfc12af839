"""The calls into plugins that do not return: named wherever people look, and left behind by all work that can go on."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

from secnet.contract import PodRef

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

_RETURNED = "%s has returned from %s after all, too late"

_BEFORE_THE_RECORD = frozenset({"lock_keys", "plan"})


class StuckCalls:
    """For one thread. on_node: called with the reason and the text of a call that is about no Pod's network.

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
        self._of_pods: dict[int, tuple[StuckCall, PodRef]] = {}
        self._others: dict[int, StuckCall] = {}
        self._problems = ProblemList(time.time)

    def note(self) -> None:
        """Look again: name the calls that became stuck, and requeue the Pods of those that returned."""
        now = {call.number: call for call in self._calls.stuck()}
        for number in [each for each in self._of_pods if each not in now]:
            call, pod = self._of_pods.pop(number)
            _log.warning(_RETURNED, call.label, call.method)
            self._controller.left_behind.end((pod.namespace, pod.name))
        for number in [each for each in self._others if each not in now]:
            call = self._others.pop(number)
            _log.warning(_RETURNED, call.label, call.method)
        for number in [each for each in now if each not in self._of_pods and each not in self._others]:
            self._begin(now[number])
        texts = [problem_text(call.error, call.what) for call in self._others.values()]
        texts += [ProblemText(what, reason, "restart the agent") for what, reason in self._calls.off().items()]
        self._problems.update(dict.fromkeys(texts))

    def problems(self) -> tuple[Problem, ...]:
        """Those that are about no Pod's network, and the plugins that are off, by the last `note`."""
        return self._problems.current()

    def _begin(self, call: StuckCall) -> None:
        error, subject = call.error.info, call.subject
        if subject is None or subject.pod is None or not self._is_of_pod(call, subject):
            self._others[call.number] = call
            self._on_node(error.reason, str(call))
            return
        self._of_pods[call.number] = call, subject.pod
        extra = {"pod": str(subject.pod), "interface": subject.key.ifname, "container": subject.key.container_id[:13]}
        _log.warning("%s", error, extra=extra)
        self._controller.left_behind.begin((subject.pod.namespace, subject.pod.name), call)
        self._publish(call, subject, subject.pod)

    def _is_of_pod(self, call: StuckCall, subject: Subject) -> bool:
        """Garbage collection too names a Pod: one that may have another sandbox here by now, whose networks are well."""
        return call.method in _BEFORE_THE_RECORD or self._journal.get(subject.key) is not None

    def _publish(self, call: StuckCall, subject: Subject, ref: PodRef) -> None:
        key = (ref.namespace, ref.name)
        before = self._publisher.last(key)
        base = before if before is not None and before.pod.uid == ref.uid else PodReport(pod=ref)
        network = self._network(call, subject)
        others = [each for each in base.networks if each.interface != network.interface]
        report = dataclasses.replace(base, error=None, networks=(*others, network))
        pod = self._pods.get(key)
        if pod is not None and pod["metadata"].get("uid") != ref.uid:
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
