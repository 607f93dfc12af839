"""Setting what the physical function keeps for a virtual one, and giving it back: what differs, one step each, each read back.

An option of the network that the card rejects ends the attach. A prior value that it rejects ends nothing: the rest is
restored, and what the card kept is noted, for the next holder not to have it unasked.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from secnet.contract import Attachment, Call, Finding, NotReady, Permanent, Retryable, Unsupported, VerifyFailed
from secnet.contract.errors import SecnetError
from secnet.linux.functions import Function
from secnet.linux.rtnl import Rtnl, VirtualFunction

from .card import ATTRIBUTES, Card, Value
from .settings import desired_settings, is_trusted, network_of
from .store import Left

__all__ = [
    "NO_MAC",
    "SAFE",
    "apply",
    "attribute_findings",
    "clear_left",
    "drifted",
    "prior_of",
    "require_known",
    "restore",
    "safe_left",
    "still_left",
]

SAFE: Mapping[str, Value] = {"vlan": (0, 0, "802.1q"), "spoofchk": (True,), "trust": (False,)}
"""What a function is restored to when its prior state is unknown."""

RESTORED = ("trust", "spoofchk", "vlan", "rate", "linkState")
"""The order in which they are restored, the MAC after them: first what lets a Pod do harm."""

NO_MAC = "00:00:00:00:00:00"

_HINT = "leave it out, correct it, or take a card whose driver can do it"
_GUARDS = ("trust", "spoofchk", "vlan")  # what must not go from one Pod to the next
_WORDS = {True: "on", False: "off", None: "unknown"}


def prior_of(vf: VirtualFunction) -> dict[str, list[Any]]:
    """All attributes as JSON-like data."""
    return {name: list(read(vf)) for name, read in ATTRIBUTES.items()}


def require_known(
    function: Function, attachment: Attachment, values: Mapping[str, Value], now: VirtualFunction
) -> None:
    """Reject, before the first change, what the card's driver does not report: it could be set, but not verified."""
    for name in values:
        if None in ATTRIBUTES[name](now):
            raise Unsupported(
                f"the driver of {function.parent} does not say what {name} of {function.id} is",
                hint="leave it out, or take a card whose driver reports it",
                subject=network_of(attachment.request),
                path=_path(attachment, name),
            )


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
        if name != "mac" and ATTRIBUTES[name](card.vf(kernel, function)) == value:
            continue
        subject, path = network_of(attachment.request), _path(attachment, name)
        try:
            _set(card, kernel, function, name, value, call)
        except VerifyFailed as exc:
            raise VerifyFailed(exc.message, hint=exc.hint, subject=subject, path=path) from exc
        except SecnetError as exc:
            hint = exc.hint if exc.retryable else _HINT
            raise type(exc)(f"the device {function.id}: {exc.message}", hint=hint, subject=subject, path=path) from exc


def _set(card: Card, kernel: Rtnl, function: Function, name: str, value: Value, call: Call) -> None:
    """One attribute. Raises VerifyFailed if it does not read back."""
    with call.step(f"vf.{name.lower()}", device=function.id, value=list(value)):
        card.set_vf(kernel, function, name, value)
    found = ATTRIBUTES[name](card.vf(kernel, function))
    if found != value:
        raise VerifyFailed(
            f"{name} of {function.id} reads back as {_words(found)} instead of {_words(value)}",
            hint="it is tried again; see the kernel log: the card may not know this setting",
            subject=f"device {function.id}",
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
    card: Card,
    kernel: Rtnl,
    function: Function,
    before: Mapping[str, Value],
    names: Iterable[str],
    call: Call,
    own_mac: str | None = None,
) -> dict[str, Left]:
    """Give all attributes of `names` the values of `before`; return what the card refuses for good.

    What the card has none of is left out. What may be tried again is raised once all have had their turn, about the device.
    own_mac: the address of the function's own link; as the administrative one it is as good as none.
    """
    left: dict[str, Left] = {}
    again: Retryable | None = None
    now = card.vf(kernel, function)
    for name in names:
        found = ATTRIBUTES[name](now)
        if name not in before or found == before[name] or None in (*before[name], *found):
            continue
        try:
            _set(card, kernel, function, name, before[name], call)
        except (Permanent, VerifyFailed) as exc:  # the same would be written, and ignored, each time
            kept = ATTRIBUTES[name](card.vf(kernel, function))
            if name == "mac" and kept == (own_mac,):
                call.log.info("%s keeps its own MAC as the administrative one: %s", function.id, exc.message)
                continue
            left[name] = Left(was=before[name], kept=kept)
            call.log.warning(
                "device %s: %s stays %s instead of %s: %s; set it with `ip link` on the physical function, "
                "or create the card's functions again",
                function.id,
                name,
                _words(kept),
                _words(before[name]),
                exc.message,
            )
        except Retryable as exc:
            again = again or type(exc)(
                f"{name} cannot be restored: {exc.message}", hint=exc.hint, subject=f"device {function.id}"
            )
    if again is not None:
        raise again
    return left


def safe_left() -> dict[str, Left]:
    """What may have been left on a device of which nothing is known any more."""
    return {name: Left(was=value) for name, value in SAFE.items()}


def still_left(left: Mapping[str, Left], now: VirtualFunction) -> dict[str, Left]:
    """Without what was set by hand since: the current value counts then, not the prior one."""
    return {
        name: item for name, item in left.items() if name in ATTRIBUTES and item.kept in (None, ATTRIBUTES[name](now))
    }


def clear_left(
    card: Card,
    kernel: Rtnl,
    function: Function,
    attachment: Attachment,
    left: Mapping[str, Left],
    wished: Container[str],
    call: Call,
) -> None:
    """Set what an earlier Pod left and this network does not ask for to what it was before that Pod. `wished`: attributes.

    Raises NotReady, about the device, where the card still keeps what separates Pods. Of the rest, `restore` warns.
    """
    before = {name: item.was for name, item in left.items() if name not in wished}
    if "vlan" in left and "bridge" not in attachment.request.options:
        # Untagged means no VLAN, not the one that the host had: that comes back with the detach.
        before.pop("vlan", None)
        if not attachment.vlan and card.vf(kernel, function).vlan:
            before["vlan"] = SAFE["vlan"]
    kept = restore(card, kernel, function, before, [name for name in (*RESTORED, "mac") if name in before], call)
    guards = [name for name in _GUARDS if name in kept]
    if guards:
        now = card.vf(kernel, function)
        words = ", ".join(f"{name} {_words(ATTRIBUTES[name](now))}" for name in guards)
        raise NotReady(
            f"the device still has {words} of an earlier Pod, and the card does not take it back",
            hint="it is tried again; set it with `ip link` on the physical function, create the card's functions again, "
            "or say in the network what it is to be",
            subject=f"device {function.id}",
        )


def drifted(
    card: Card, kernel: Rtnl, function: Function, attachment: Attachment, *, in_use: str = ""
) -> dict[str, tuple[Value, Value]]:
    """What the physical function keeps otherwise than asked for: what it is, and what it should be.

    Its MAC follows a trusted Pod's on some cards. in_use: what uses the interface in the Pod; the MAC is its business then.
    """
    now = card.vf(kernel, function)
    free = {"mac"} if in_use or is_trusted(attachment, now) else set()
    wanted = desired_settings(attachment, function, now).items()
    found = {name: (ATTRIBUTES[name](now), value) for name, value in wanted if name not in free}
    return {name: (is_now, value) for name, (is_now, value) in found.items() if is_now != value}


def attribute_findings(
    card: Card, kernel: Rtnl, function: Function, attachment: Attachment, *, in_use: str = ""
) -> Iterator[Finding]:
    """The findings for `drifted`."""
    for name, (found, value) in drifted(card, kernel, function, attachment, in_use=in_use).items():
        message = f"{name} of {function.id} is {_words(found)} instead of {_words(value)}"
        if name == "vlan":
            yield Finding(code="WrongVlan", message=message)
        else:
            yield Finding(code="WrongAttribute", message=message)


def _words(value: Value) -> str:
    return "/".join(_WORDS[part] if part is None or isinstance(part, bool) else str(part) for part in value)
