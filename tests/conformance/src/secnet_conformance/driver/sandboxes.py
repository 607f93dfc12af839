"""Sandboxes that end: what they hold comes back a little later, and their path may serve the next."""

from __future__ import annotations

import time

from secnet.contract import Attachment, NetworkDriver, Retryable

from ..netns import Namespace, new_namespace, remove_namespace
from .lab import DriverLab

__all__ = ["replace_pod", "until_free"]

_BACK_SECONDS = 10.0
_POLL_SECONDS = 0.05


def replace_pod(pod: Namespace) -> Namespace:
    """End a sandbox; another one under its path, which ends with the test as the first would."""
    remove_namespace(pod)
    return new_namespace(pod.name)


def until_free(lab: DriverLab, driver: NetworkDriver, attachment: Attachment) -> None:
    """Detach; a device that is still on its way back from a dead netns is Busy, and then it is tried again (R3)."""
    limit = time.monotonic() + _BACK_SECONDS
    while True:
        try:
            return driver.detach(attachment, lab.call())
        except Retryable:
            if time.monotonic() > limit:
                raise
            time.sleep(_POLL_SECONDS)
