"""What must hold before an attachment is planned: nothing forbids it, it has its device, and what it takes alone is free."""

from __future__ import annotations

from collections.abc import Callable

from secnet.contract import AttachRequest, Busy, NotReady

from ..model.work import Work
from ..state.journal import Journal
from .plugin_calls import Plugins

__all__ = ["Admission"]


class Admission:
    """Asked by the pipeline. require_clear: raises what forbids every new attachment."""

    def __init__(self, *, plugins: Plugins, journal: Journal, require_clear: Callable[[], None]) -> None:
        self._plugins = plugins
        self._journal = journal
        self._require_clear = require_clear

    def require(self, work: Work) -> None:
        """Raise what forbids this attachment now; NotReady where the device is missing that its type needs."""
        self._require_clear()
        request = work.request
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
        self.require(work)
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
