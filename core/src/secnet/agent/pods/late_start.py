"""Whether a Pod got past the chained CNI plugin: its containers may have started before its networks were attached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..model.record import Record
from ..model.sandbox import Sandbox

__all__ = ["LateStart"]


class LateStart:
    """chaining: whether containers on this node wait for the plugin. called: whether the plugin's ADD came for a sandbox.
    annotated_later: whether a Pod asks for other networks than when it was first seen.
    """

    def __init__(
        self,
        *,
        chaining: Callable[[], bool],
        called: Callable[[str], bool],
        annotated_later: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self._chaining = chaining
        self._called = called
        self._annotated_later = annotated_later

    def is_late(self, pod: Mapping[str, Any], sandbox: Sandbox, records: Iterable[Record]) -> bool:
        """Whether what is attached to this sandbox now comes after its start, although the sandbox should have waited for it.

        records: of the Pod before that. One that was in time proves that the plugin was called, also by an earlier agent.
        """
        if any(record.key.container_id == sandbox.container_id and not record.late for record in records):
            return False
        return not self._called(sandbox.container_id) and not self._annotated_later(pod) and self._chaining()
