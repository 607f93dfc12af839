"""What went through an interface."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Counters of one interface since it was made, as its Pod sees them: what the Pod sent is `sent`."""

    received_bytes: int
    received_packets: int
    sent_bytes: int
    sent_packets: int
