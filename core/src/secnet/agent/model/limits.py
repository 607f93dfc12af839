"""How much one Pod, or the author of one network, may ask for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What keeps one input from delaying everyone else's.

    networks_per_pod: elements of one annotation. list_items: of each list and each object in an annotation or a config.
    text_bytes: of an annotation, and of the config of a NAD.
    """

    networks_per_pod: int = 100
    list_items: int = 256
    text_bytes: int = 131072


DEFAULT_LIMITS = Limits()
"""Of a node whose configuration says nothing of them."""
