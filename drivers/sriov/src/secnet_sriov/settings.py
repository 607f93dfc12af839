"""What a network asks of the card, and what can be refused before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import Attachment, AttachRequest, InvalidConfig, SecnetError, Unsupported
from secnet.linux.functions import AUXILIARY, Function
from secnet.linux.rtnl import Link, Rtnl, VirtualFunction

from .card import Card, Value, no_uplink
from .tools import is_kept, is_userspace, under_card

__all__ = [
    "EARLY",
    "asked_of_the_card",
    "is_trusted",
    "network_of",
    "require_bound",
    "require_consistent",
    "require_options",
    "require_uplink",
    "desired_settings",
]

EARLY = ("vlan",)
"""Set before the link's own MAC and MTU; the other attributes after them."""

_OF_THE_CARD = ("vlanQoS", "vlanProto", "spoofchk", "trust", "linkState", "minTxRate", "maxTxRate")
_PLAIN = "802.1q"


def network_of(request: AttachRequest) -> str:
    """The object that an error about options is about."""
    return f"NetworkAttachmentDefinition {request.network}"


def asked_of_the_card(request: AttachRequest, function: Function, vlan: int) -> list[str]:
    """The options that only a physical function can fulfil; `mac` where there is no link that could take it."""
    asked = [name for name in _OF_THE_CARD if name in request.options]
    if request.mac is not None and is_userspace(function):
        asked = ["mac", *asked]
    return ["vlan", *asked] if vlan and "bridge" not in request.options else asked


def require_uplink(
    card: Card, kernel: Rtnl, function: Function, request: AttachRequest, prior: Mapping[str, Any], vlan: int
) -> None:
    """Raise NotReady if something is asked of a physical function that has no link on the host."""
    if (
        under_card(function)
        and asked_of_the_card(request, function, vlan)
        and not is_kept(card, kernel, function, prior)
    ):
        raise no_uplink(function)


def require_consistent(options: Mapping[str, Any]) -> None:
    """Refuse options that exclude each other whatever the host has. The errors name the option, and not the network."""
    least, most = options.get("minTxRate", 0), options.get("maxTxRate", 0)
    if most and least > most:
        raise InvalidConfig(f"{least} Mbit/s is more than maxTxRate", hint="lower it", path="$.minTxRate")
    if "bridge" in options and (tagged := _of_a_tag(options)):
        raise Unsupported(
            "the tag of a port of Open vSwitch has neither priority nor protocol",
            hint="leave it or bridge out",
            path=f"$.{tagged[0]}",
        )


def require_options(request: AttachRequest, function: Function, link: Link | None) -> None:
    """Refuse, before the plan, what needs no VLAN to be known."""
    _require_physical(request, function, request.options.get("vlan", 0))
    if link is None:
        if request.mtu is not None:
            why = "a device without a netdev has no MTU"
            raise _wrong(Unsupported, request, "mtu", why, "leave mtu out and set it in the application")
        return
    mtu = request.mtu
    if mtu is not None and (mtu < link.min_mtu or (link.max_mtu and mtu > link.max_mtu)):
        why = f"the device takes an MTU of {link.min_mtu} to {link.max_mtu or 'any'} bytes, not {mtu}"
        raise _wrong(InvalidConfig, request, "mtu", why, "correct mtu or leave it out")


def require_bound(attachment: Attachment, function: Function) -> None:
    """Refuse, before the first change, what depends on the VLAN that the pools may have given."""
    request, vlan = attachment.request, attachment.vlan or 0
    tagged = _of_a_tag(request.options)
    if tagged and not vlan:
        raise _wrong(InvalidConfig, request, tagged[0], "there is no tag without a VLAN", "set vlan or leave it out")
    _require_physical(request, function, vlan)


def _of_a_tag(options: Mapping[str, Any]) -> list[str]:
    """The options that ask for another tag than the usual one."""
    return [name for name in ("vlanQoS", "vlanProto") if options.get(name, _PLAIN) not in (0, _PLAIN)]


def _require_physical(request: AttachRequest, function: Function, vlan: int) -> None:
    asked = asked_of_the_card(request, function, vlan)
    if not asked or under_card(function):
        return
    if function.bus == AUXILIARY:
        why, hint = "a subfunction has no such settings", "leave them out; a VLAN needs `bridge` and a representor"
    else:
        why = "the physical function is not on this host, as in a virtual machine"
        hint = "leave them out and set them on the host that has the card"
    raise _wrong(Unsupported, request, asked[0], f"{', '.join(asked)} cannot be set: {why}", hint)


def _wrong(kind: type[SecnetError], request: AttachRequest, option: str, why: str, hint: str) -> SecnetError:
    path = option if option == "mac" else f"$.{option}"  # an annotation asks for it
    return kind(why, hint=hint, subject=network_of(request), path=path)


def is_trusted(attachment: Attachment, now: VirtualFunction | None) -> bool:
    """Whether the Pod may change its MAC: its network asks for trust, or the card keeps it on. now: None where it is unknown.

    What it does with that is no drift, and is not even reported: it is what trust is for (bonding, VRRP), and a
    network that is Degraded for as long as it does what it may would hide the day on which it is.
    """
    return attachment.request.options.get("trust") == "on" or bool(now and now.trust)


def desired_settings(attachment: Attachment, function: Function, now: VirtualFunction) -> Mapping[str, Value]:
    """Attributes to set, in this order. An untagged network takes a VLAN away but writes none where there is none: on some
    cards writing 0 ends what an administrator allowed the function.
    """
    request, options = attachment.request, attachment.request.options
    found: dict[str, Value] = {}
    if "bridge" not in options:
        if attachment.vlan:
            found["vlan"] = (attachment.vlan, options.get("vlanQoS", 0), options.get("vlanProto", _PLAIN))
        elif now.vlan:
            found["vlan"] = (0, 0, _PLAIN)
    if request.mac is not None:
        found["mac"] = (request.mac,)
    for name in ("spoofchk", "trust"):
        if name in options:
            found[name] = (options[name] == "on",)
    if "minTxRate" in options or "maxTxRate" in options:
        found["rate"] = (options.get("minTxRate", now.min_tx_rate), options.get("maxTxRate", now.max_tx_rate))
    if "linkState" in options:
        found["linkState"] = (options["linkState"],)
    return found
