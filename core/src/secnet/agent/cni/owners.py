"""Programs that keep the CNI configuration to themselves, and the setting by which each leaves our entry in it."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["how_to_share", "setting_to_share"]

_SETTINGS = {
    "cilium-cni": 'set `cni.exclusive: false` in Cilium\'s Helm values (`cni-exclusive: "false"` in the ConfigMap '
    "kube-system/cilium-config), and restart its agents",
}
_OTHERS = "find the program that writes this file, and have it keep the plugins of others"


def how_to_share(types: Iterable[str]) -> str:
    """The remedy where the owner of a network with plugins of these types takes the entry out."""
    return setting_to_share(types) or _OTHERS


def setting_to_share(types: Iterable[str]) -> str:
    """The same where the owner is known; else empty."""
    return next((_SETTINGS[each] for each in types if each in _SETTINGS), "")
