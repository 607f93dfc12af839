"""What one reconcile of a Pod has to do, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from secnet.contract import (
    AttachmentId,
    AttachRequest,
    IpamRequest,
    SecnetError,
    freeze,
)

from .network import CommonOptions
from .record import Origin, Record
from .selection import SelectionId

__all__ = ["Changes", "Ignored", "Outcome", "Rejected", "Work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One network to attach, with all that the pipeline needs.

    resource: what its device must be of; None for a network type without devices. The device is put into the request later, for
    all networks of the Pod at once (see `devices.DeviceAllocator`). late: see `Record`.
    """

    selection_id: SelectionId
    request: AttachRequest
    attachment_options: Mapping[str, Any] = field(default_factory=dict)
    ipam: IpamRequest | None = None
    ipam_type: str | None = None
    resource: str | None = None
    nad_generation: int = 0
    origin: Origin = Origin.ANNOTATION
    common: CommonOptions = field(default=CommonOptions())
    late: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "attachment_options", freeze(self.attachment_options))

    @property
    def key(self) -> AttachmentId:
        """Identity of the attachment."""
        return self.request.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One network that cannot be attached now, and why. unidentified: see `Named`."""

    selection_id: SelectionId
    ifname: str
    error: SecnetError
    network_type: str = ""
    nad_generation: int = 0
    unidentified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """One network whose NAD is of another type: none of our business."""

    selection_id: SelectionId


Outcome = Work | Rejected | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """remove first, then attach in annotation order; keep and rejected touch nothing. order: all selections, as they stand.

    called: the networks for which a caller of our CNI plugin, such as Multus, has asked in this sandbox. uncalled: those that are
    left to it, and for which it has not.
    """

    keep: tuple[tuple[Record, Outcome], ...] = ()
    remove: tuple[Record, ...] = ()
    attach: tuple[Work, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    order: tuple[SelectionId, ...] = ()
    called: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()

    @property
    def want_devices(self) -> bool:
        """Whether any network of them needs a device."""
        works = (*self.attach, *(outcome for _, outcome in self.keep))
        return any(isinstance(work, Work) and work.resource is not None for work in works)
