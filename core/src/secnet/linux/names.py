"""Names of links, and those that follow from an attachment's identity alone: these never change.

A fresh process finds what an older one made by computing the name again; changing such a function orphans every living link.
Golden values stand in the tests.
"""

from __future__ import annotations

import hashlib

from secnet.contract import AttachmentId, InvalidConfig

__all__ = [
    "ALIAS_MAX",
    "HOST_PREFIX",
    "IFNAME_MAX",
    "LINK_GROUP",
    "alias_for",
    "checked_ifname",
    "host_ifname",
    "mac_for",
    "parse_alias",
]

IFNAME_MAX = 15
"""Longest interface name in bytes (IFNAMSIZ less the final zero)."""

ALIAS_MAX = 254
"""Longest link alias in bytes: IFALIASZ is 256 and the message carries a final zero."""

HOST_PREFIX = "sn"
"""How names of host-side links begin unless a driver chooses otherwise. It distinguishes the links of drivers."""

LINK_GROUP = 0x5EC
"""Link group of every host-side link of ours (1516). It is set by the message that creates the link, the alias only after it."""


def checked_ifname(name: str) -> str:
    """The name as it is. Raises InvalidConfig, whose subject is the name, for one that no interface can have.

    `%` is rejected too, though the kernel accepts it: as a pattern, from which it generates another name.
    """
    length = len(name.encode(errors="surrogatepass"))
    wrong = [char for char in name if char in "/:%\0" or char.isspace() or "\ud800" <= char <= "\udfff"]
    if wrong or name in (".", "..") or not 1 <= length <= IFNAME_MAX:
        raise InvalidConfig(
            f"{name!r} cannot be the name of an interface",
            hint=f"take one of 1 to {IFNAME_MAX} bytes without white space, /, : and %, and neither . nor ..",
            subject=name,
        )
    return name


def _digest(key: AttachmentId, purpose: str) -> bytes:
    """A hash of the key; the zero byte, which no part can hold, keeps `a` + `bc` and `ab` + `c` apart."""
    return hashlib.sha256(f"{purpose}\0{key.container_id}\0{key.ifname}".encode()).digest()


def host_ifname(key: AttachmentId, prefix: str = HOST_PREFIX) -> str:
    """Name of the host-side link: the driver's own prefix, then hexadecimal digits of a hash, IFNAME_MAX characters in all.

    With the default prefix 52 bits remain: two of 10000 attachments on one host meet with a chance of about one in 10^8, and
    the second then fails with a Conflict. A prefix of more than 5 characters is a ValueError.
    """
    if not 1 <= len(prefix) <= 5:
        raise ValueError(f"the prefix {prefix!r} must have 1 to 5 characters: the hash needs the others")
    return prefix + _digest(key, "ifname").hex()[: IFNAME_MAX - len(prefix)]


def mac_for(key: AttachmentId) -> str:
    """A MAC address for the Pod's end: from a hash, with the local bit set and the group bit clear (IEEE 802 clause 8)."""
    octets = bytearray(_digest(key, "mac")[:6])
    octets[0] = (octets[0] | 0x02) & 0xFE
    return octets.hex(":")


def alias_for(owner_tag: str, key: AttachmentId) -> str:
    """The alias that marks a link as ours and names its attachment: `OWNER_TAG:CONTAINER_ID/IFNAME`."""
    if not owner_tag or ":" in owner_tag:
        raise InvalidConfig(
            f"the owner tag {owner_tag!r} must not be empty or hold a colon", hint="choose another owner tag"
        )
    text = f"{owner_tag}:{key}"
    if len(text.encode()) > ALIAS_MAX:
        raise InvalidConfig(
            f"the link alias {text!r} is longer than {ALIAS_MAX} bytes",
            hint="choose a shorter owner tag; container ids have 64 characters at most",
        )
    return text


def parse_alias(text: str) -> tuple[str, AttachmentId] | None:
    """The owner tag and key of an alias made by `alias_for`; None for any other text."""
    owner_tag, colon, rest = text.partition(":")
    container_id, slash, ifname = rest.rpartition("/")
    if not (colon and slash and owner_tag and container_id and ifname):
        return None
    return owner_tag, AttachmentId(container_id=container_id, ifname=ifname)
