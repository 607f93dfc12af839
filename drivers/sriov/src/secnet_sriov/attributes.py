"""Setting what the physical function keeps for a virtual one: only what differs, one step each, each read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secnet.contract import Attachment, Call, Finding, Unsupported, VerifyFailed
from secnet.contract.errors import SecnetError
from secnet.linux.functions import Function
from secnet.linux.rtnl import Rtnl, VirtualFunction

from .card import ATTRIBUTES, Card, Value
from .wishes import is_trusted, network_of, wishes

__all__ = ["NO_MAC", "SAFE", "apply", "attribute_findings", "prior_of", "restore"]

SAFE: Mapping[str, Value] = {"vlan": (0, 0, "802.1q"), "spoofchk": (True,), "trust": (False,)}
"""What a function is given back with when nobody knows what it had."""

NO_MAC = "00:00:00:00:00:00"

_HINT = "leave it out, correct it, or take a card whose driver can do it"
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
    """Set each attribute that differs. A refusal names the attribute, as does one that does not read back as written.

    A MAC is set even where it reads so already: some cards show the link's own there, which the Pod could still change.
    """
    for name, value in values:
        if name == "mac" or ATTRIBUTES[name](card.vf(kernel, function)) != value:
            _set(card, kernel, function, attachment, name, value, call)


def _set(
    card: Card, kernel: Rtnl, function: Function, attachment: Attachment, name: str, value: Value, call: Call
) -> None:
    path = _path(attachment, name)
    with call.step(f"vf.{name.lower()}", device=function.id, value=list(value)):
        try:
            card.set_vf(kernel, function, name, value)
        except SecnetError as exc:
            subject = network_of(attachment.request)
            hint = exc.hint if exc.retryable else _HINT
            raise type(exc)(f"the device {function.id}: {exc.message}", hint=hint, subject=subject, path=path) from exc
    found = ATTRIBUTES[name](card.vf(kernel, function))
    if found != value:
        raise VerifyFailed(
            f"{name} of {function.id} reads back as {_words(found)} instead of {_words(value)}",
            hint="it is tried again; see the kernel log: the card may not know this setting",
            subject=network_of(attachment.request),
            path=path,
        )


def _path(attachment: Attachment, name: str) -> str:
    """The option behind an attribute. The MAC is none: an annotation asks for it."""
    options = attachment.request.options
    if name == "vlan":
        return "$.vlanProto" if options.get("vlanProto", "802.1q") != "802.1q" else "$.vlan"
    if name == "rate":
        return "$.minTxRate" if options.get("minTxRate") else "$.maxTxRate"
    return "mac" if name == "mac" else f"$.{name}"


def restore(
    card: Card, kernel: Rtnl, function: Function, attachment: Attachment, names: Iterable[str], call: Call
) -> None:
    """Give the attributes the values of `prior`; without any, those that are safe. What the card has none of is left."""
    known = attachment.prior.get("vf")
    before = {name: tuple(value) for name, value in known.items()} if known else SAFE
    now = card.vf(kernel, function)
    for name in names:
        found = ATTRIBUTES[name](now)
        if name not in before or found == before[name] or None in (*before[name], *found):
            continue
        try:
            apply(card, kernel, function, attachment, [(name, before[name])], call)
        except Unsupported as exc:
            if known:
                raise
            call.log.warning("%s of %s stays as it is: %s", name, function.id, exc.message)


def attribute_findings(card: Card, kernel: Rtnl, function: Function, attachment: Attachment) -> Iterator[Finding]:
    """What the physical function keeps otherwise than asked for. Its MAC follows a trusted Pod's on some cards."""
    now = card.vf(kernel, function)
    for name, value in wishes(attachment, function, now).items():
        found = ATTRIBUTES[name](now)
        if found != value and not (name == "mac" and is_trusted(attachment, now)):
            message = f"{name} of {function.id} is {_words(found)} instead of {_words(value)}"
            if name == "vlan":
                yield Finding(code="WrongVlan", message=message)
            else:
                yield Finding(code="WrongAttribute", message=message)


def _words(value: Value) -> str:
    return "/".join(_WORDS[part] if part is None or isinstance(part, bool) else str(part) for part in value)
