"""Which sandboxes live, by their namespace and according to the runtime.

Neither an error nor a missing answer proves death (rule R6 of docs/architecture.md): detaching a living Pod does more harm than
another check.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from secnet.contract import NetnsRef, SecnetError
from secnet.linux.netns import alive

from ..model.pod import PodKey, is_finished
from ..model.record import Record
from ..model.sandbox import SandboxSource
from ..state.journal import Journal
from .pod_table import PodTable

__all__ = ["SandboxMonitor", "lives", "outliving"]

_log = logging.getLogger(__name__)

_Look = tuple[Hashable, frozenset[Hashable], str | None]
"""The sandbox, None without one; the records of another Pod of that name; the uid of this one."""


def lives(netns: NetnsRef) -> bool:
    """Whether the namespace is there; one that cannot be checked counts as living."""
    try:
        return alive(netns)
    except SecnetError as exc:
        _log.debug("whether %s lives is unknown: %s", netns.path, exc)
        return True


def outliving(records: Iterable[Record], source: SandboxSource) -> tuple[Record, ...]:
    """Those whose sandbox lives on though the object of their Pod is gone; costs one question a sandbox.

    Every user with the right may delete an object, as that of a static Pod, which the kubelet then creates again. In the ordinary
    course the kubelet ends the sandbox first. Half-built attachments are not among them: they are detached in any case.
    """
    whole = [record for record in records if record.living]
    living = {
        container for container in {record.key.container_id for record in whole} if not source.has_ended(container)
    }
    return tuple(r for r in whole if r.key.container_id in living and lives(r.attachment.request.netns))


class SandboxMonitor:
    """Sees namespaces and sandboxes come, go and be replaced, from one look to the next. One thread calls it.

    concerns: whether a Pod without records is to be checked.
    """

    def __init__(
        self,
        source: SandboxSource,
        journal: Journal,
        pods: PodTable,
        concerns: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self._source = source
        self._journal = journal
        self._pods = pods
        self._concerns = concerns
        self._before: dict[PodKey, _Look | None] = {}

    def changed(self) -> list[PodKey]:
        """The Pods that look otherwise than at the last look. Costs little: one stat a Pod, and one list of the runtime.

        A check that fails by a bug of our own is logged, counts as no change, and does not stop the check of the others.
        """
        records = self._journal.of_pods()
        pods = self._pods.all()
        found: dict[PodKey, _Look | None] = {}
        for key in {*records, *(key for key, pod in pods.items() if self._concerns(pod))}:
            try:
                found[key] = self._look(pods.get(key), records.get(key, ()))
            except Exception:
                _log.exception("Pod %s/%s cannot be checked", *key)
                found[key] = self._before.get(key)
        before, self._before = self._before, found
        return [key for key, look in found.items() if key not in before or before[key] != look]

    def is_settled(self) -> bool:
        """Whether at the last look each Pod had its sandbox, and none is new since: only what dies can be news then."""
        asking = ((key, pod) for key, pod in self._pods.all().items() if self._concerns(pod) and not is_finished(pod))
        living = (_has_sandbox(self._before.get(key), pod) for key, pod in asking)
        return all(living) and not any(look is not None and look[1] for look in self._before.values())

    def _look(self, pod: Mapping[str, Any] | None, records: Iterable[Record]) -> _Look:
        uid = None if pod is None else pod["metadata"].get("uid", "")
        others = [record for record in records if record.pod is not None and record.pod.uid != uid]
        return None if pod is None else self._source.fingerprint(pod), frozenset(map(self._state, others)), uid

    def _state(self, record: Record) -> Hashable:
        """Of a record whose Pod's object is gone, which no fingerprint at a Pod covers."""
        container = record.key.container_id
        return container, self._source.has_ended(container, now=False), lives(record.attachment.request.netns)


def _has_sandbox(look: _Look | None, pod: Mapping[str, Any]) -> bool:
    return look is not None and look[0] is not None and look[2] == pod["metadata"].get("uid", "")
