"""How messages name the object at fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from secnet.contract import IpamOwner, NetworkRef, SecnetError

__all__ = ["blaming", "network_subject", "owner_subject", "pool_subject"]


def pool_subject(name: str) -> str:
    """An IPPool."""
    return f"IPPool {name or '(without name)'}"


def network_subject(network: NetworkRef) -> str:
    """The NAD."""
    return f"NetworkAttachmentDefinition {network}"


def owner_subject(owner: IpamOwner) -> str:
    """The Pod's interface that the lease is for."""
    return f"Pod {owner.pod or owner.container_id} interface {owner.ifname}"


@contextmanager
def blaming(subject: str) -> Iterator[None]:
    """Give errors that name no object this one."""
    try:
        yield
    except SecnetError as exc:
        exc.subject = exc.subject or subject
        raise
