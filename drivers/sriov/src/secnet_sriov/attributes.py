"""Setting what the physical function keeps for a virtual one: only what differs, one step each, each read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secnet.contract import Attachment, Call, Finding, VerifyFailed
from secnet.contract.errors import SecnetError
from secnet.linux.functions import Function
from secnet.linux.rtnl import Rtnl, VirtualFunction

from .card import ATTRIBUTES, Card, Value
from .wishes import network_of, wishes

__all__ = ["SAFE", "apply", "attribute_findings", "prior_of", "restore"]

SAFE: Mapping[str, Value] = {"vlan": (0, 0, "802.1q"), "spoofchk": (True,), "trust": (False,)}
"""What a function is given back with when nobody knows what it had."""

_PATHS = {"vlan": "$.vlan", "rate": "$.maxTxRate", "mac": "mac"}  # the MAC is no option: an annotation asks for it
_WORDS = {True: "on", False: "off", None: "unknown"}


def prior_of(vf: VirtualFunction) -> dict[str, list[Any]]:
    """All attributes as JSON-like data."""
    return {name: list(read(vf)) for name, read in ATTRIBUTES.items()}


def apply(
    card: Card,
    kernel: Rtnl,
    function: Function,
    attachment: Attachment,
    values: Iterable[tuple[str, Value]],
    call: Call,
) -> None:
    """Set each attribute that differs. A refusal names the attribute, as does one that does not read back as written."""
    for name, value in values:
        if ATTRIBUTES[name](card.vf(kernel, function)) == value:
            continue
        _set(card, kernel, function, attachment, name, value, call)


def _set(
    card: Card, kernel: Rtnl, function: Function, attachment: Attachment, name: str, value: Value, call: Call
) -> None:
    path = _PATHS.get(name, f"$.{name}")
    with call.step(f"vf.{name.lower()}", device=function.id, value=list(value)):
        try:
            card.set_vf(kernel, function, name, value)
        except SecnetError as exc:
            words = f"{name} of {function.id} (number {function.number} of {function.parent}): {exc.message}"
            raise type(exc)(words, hint=exc.hint, subject=network_of(attachment.request), path=path) from exc
    found = ATTRIBUTES[name](card.vf(kernel, function))
    if found != value:
        raise VerifyFailed(
            f"{name} of {function.id} reads back as {_words(found)} instead of {_words(value)}",
            hint="it is tried again; see the kernel log: the card may not know this setting",
            subject=network_of(attachment.request),
            path=path,
        )


def restore(
    card: Card, kernel: Rtnl, function: Function, attachment: Attachment, names: Iterable[str], call: Call
) -> None:
    """Give the attributes the values of `prior`; without any, those that are safe. What the card has none of is left."""
    known = attachment.prior.get("vf")
    before = {name: tuple(value) for name, value in known.items()} if known else SAFE
    now = card.vf(kernel, function)
    for name in names:
        if name not in before or None in (*before[name], *ATTRIBUTES[name](now)):
            continue
        apply(card, kernel, function, attachment, [(name, before[name])], call)


def attribute_findings(card: Card, kernel: Rtnl, function: Function, attachment: Attachment) -> Iterator[Finding]:
    """What the physical function keeps otherwise than asked for."""
    now = card.vf(kernel, function)
    for name, value in wishes(attachment, function, now).items():
        found = ATTRIBUTES[name](now)
        if found != value:
            message = f"{name} of {function.id} is {_words(found)} instead of {_words(value)}"
            yield Finding(code=f"Wrong{name[0].upper()}{name[1:]}", message=message)


def _words(value: Value) -> str:
    return "/".join(_WORDS[part] if part is None or isinstance(part, bool) else str(part) for part in value)
