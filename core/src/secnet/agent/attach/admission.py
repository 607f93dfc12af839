"""What must hold before an attachment is planned: nothing forbids it, it has its device, and what it takes alone is free."""

from __future__ import annotations

import threading
from collections.abc import Callable

from secnet.contract import AttachRequest, Busy, ErrorInfo, NotReady

from ..model.work import Work
from ..state.journal import Journal
from .plugin_calls import Plugins

__all__ = ["Admission", "Clearance"]


class Clearance:
    """What forbids every new attachment on this node now. Thread-safe.

    The checks of `preflight` push their verdicts, so that an attach asks no check.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refusals: dict[str, ErrorInfo] = {}

    def slot(self, check: str) -> Callable[[ErrorInfo | None], None]:
        """Where one check puts its verdict: what it forbids everything for, or None."""

        def put(refusal: ErrorInfo | None) -> None:
            with self._lock:
                self._refusals.pop(check, None)
                if refusal is not None:
                    self._refusals[check] = refusal

        return put

    def require(self) -> None:
        """Raises NotReady with the first verdict that forbids a new attachment."""
        with self._lock:
            refusal = next(iter(self._refusals.values()), None)
        if refusal is not None:
            raise NotReady(refusal.message, hint=refusal.hint, subject=refusal.subject)


class Admission:
    """Asked by the pipeline."""

    def __init__(self, *, plugins: Plugins, journal: Journal, clearance: Clearance) -> None:
        self._plugins = plugins
        self._journal = journal
        self._clearance = clearance

    def require(self, request: AttachRequest) -> None:
        """Raise what forbids this attachment now; NotReady where the device is missing that its type needs."""
        self._clearance.require()
        if request.device is not None or not self._plugins.driver_plugin(request.network_type).info.needs_device:
            return
        probe = self._plugins.driver(request.network_type).probe()
        reason = probe.message if not probe.ready else "no device is allocated to this Pod"
        raise NotReady(
            f"network type {request.network_type} cannot attach: {reason}",
            hint="see `secnet drivers` for what this type needs",
            subject=f"NetworkAttachmentDefinition {request.network}",
        )

    def locks(self, work: Work) -> tuple[str, ...]:
        """What the attachment takes alone, if it may be made. Raises as `require` does."""
        self.require(work.request)
        return self.taken_alone(work.request)

    def taken_alone(self, request: AttachRequest) -> tuple[str, ...]:
        """The driver's lock keys, and the device itself whether the driver names it or not."""
        locks = self._plugins.driver(request.network_type).lock_keys(request)
        device = request.device
        return locks if device is None or device.id in locks else (*locks, device.id)

    def refuse_held(self, work: Work, locks: tuple[str, ...]) -> None:
        """Raise Busy while another attachment's record holds one of these. The caller holds the locks of these names."""
        holder = self._journal.holder(locks, besides=work.key)
        if holder is None:
            return
        held = ", ".join(key for key in locks if key in holder.locks)
        raise Busy(
            f"{held} still belongs to Pod {holder.pod} interface {holder.key.ifname}",
            hint="it comes free when that Pod's interface is removed",
        )
