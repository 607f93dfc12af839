"""Times as the Kubernetes API writes them."""

from __future__ import annotations

import time

__all__ = ["rfc3339"]


def rfc3339(seconds: float) -> str:
    """A time since the epoch, in UTC and whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
