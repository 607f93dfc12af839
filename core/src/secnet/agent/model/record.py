"""The record of an attachment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from secnet.contract import (
    Attachment,
    AttachmentId,
    AttachResult,
    IpamRequest,
    PodRef,
    freeze,
)

from .network import CommonOptions
from .selection import SelectionId

__all__ = ["Phase", "Record", "Origin"]


class Phase(StrEnum):
    """How far an attachment came.

    A new process adopts ATTACHED, and goes on with REPAIRING from the record; it detaches everything else, and attaches from the
    start (R2).
    """

    PLANNED = "Planned"
    ATTACHING = "Attaching"
    ATTACHED = "Attached"
    REPAIRING = "Repairing"
    DETACHING = "Detaching"


class Origin(StrEnum):
    """Who asked for an attachment, and so who has it removed.

    ANNOTATION: the Pod; it lives as long as the annotation asks for it. CNI: a caller of our CNI plugin for one network, such as
    Multus; it lives until that caller says DEL, or its network namespace is gone.
    """

    ANNOTATION = "Annotation"
    CNI = "Cni"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that a fresh process needs to adopt or remove an attachment.

    selection_id: which selection of the annotation this answers.
    attachment_options: the selection's attachment-specific keys; an attachment is detached and attached again when they change.
    ipam, ipam_type: what to release; None when the NAD has no ipam.
    locks: the exclusive resources held; no other attachment may have one of them while this record exists (R8).
    layer3: what the layer-3 step replaced and must restore.
    origin: who asked for it. common: what the NAD said of its interfaces when it was attached.
    late: the sandbox started without it, although it should have waited for it.
    remake: the Pod has lost the interface, or a repair is about to detach it: until the repair ends, layer 3 is to be done too.
    """

    phase: Phase
    boot_id: str
    attachment: Attachment
    selection_id: SelectionId
    attachment_options: Mapping[str, Any] = field(default_factory=dict)
    ipam: IpamRequest | None = None
    ipam_type: str | None = None
    locks: tuple[str, ...] = ()
    layer3: Mapping[str, Any] = field(default_factory=dict)
    result: AttachResult | None = None
    nad_generation: int = 0
    origin: Origin = Origin.ANNOTATION
    common: CommonOptions = field(default=CommonOptions())
    remake: bool = False
    late: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "phase", Phase(self.phase))
        object.__setattr__(self, "origin", Origin(self.origin))
        object.__setattr__(self, "attachment_options", freeze(self.attachment_options))
        object.__setattr__(self, "layer3", freeze(self.layer3))

    @property
    def key(self) -> AttachmentId:
        """Identity of the attachment."""
        return self.attachment.key

    @property
    def pod(self) -> PodRef | None:
        """The Pod it belongs to."""
        return self.attachment.request.pod

    @property
    def living(self) -> bool:
        """Whether its addresses are in use: it was attached, and no detach has begun."""
        return self.phase in (Phase.ATTACHED, Phase.REPAIRING)

    @property
    def network_type(self) -> str:
        """The driver it belongs to."""
        return self.attachment.request.network_type

    def replace(self, **changes: Any) -> Record:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)
