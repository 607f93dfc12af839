"""Whether a Pod got past the chained CNI plugin: its containers may have started before its networks were attached."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..model.record import Record
from ..model.sandbox import Sandbox

__all__ = ["LateStart"]


class LateStart:
    """chaining: whether containers on this node wait for the plugin. called: whether the plugin's ADD came for a sandbox."""

    def __init__(self, *, chaining: Callable[[], bool], called: Callable[[str], bool]) -> None:
        self._chaining = chaining
        self._called = called

    def is_late(self, sandbox: Sandbox, records: Iterable[Record]) -> bool:
        """Whether what is attached to this sandbox now comes after its start, although the sandbox should have waited for it.

        One whose Pod asked for nothing at that time had nothing to wait for, as where KubeVirt plugs in an interface later.
        records: of the Pod before that. One that was in time proves that the plugin was called, also by an earlier agent.
        """
        if any(record.key.container_id == sandbox.container_id and not record.late for record in records):
            return False
        return sandbox.asked and not self._called(sandbox.container_id) and self._chaining()
