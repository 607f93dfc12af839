"""Who has which address of a subnet, as files of this node.

A lease is one symbolic link: its name is the address, its target the owner as JSON. Nothing follows the link. The kernel makes
it as a whole or not at all, refuses a second one of the same name, and no reader ever sees half of it: that is why it is no file
with a content.

    ipam-node-local/10.9.0.0_24/10.9.0.10 -> {"container_id": "8c1f..", "ifname": "eth1", "pod": {...}}

Whoever writes holds the lock of the directory (flock), which the kernel frees when its process dies. Readers need none.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from secnet.contract import Call, IpamOwner, MissingPrivilege, SecnetError, Unavailable, from_json, to_json

from .config import Address, Network

__all__ = ["FOLDER", "Ledger", "held_in", "same_owner", "subnets"]

FOLDER = "ipam-node-local"
"""Below the run directory."""

_POLL_SECONDS = 0.01
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def same_owner(one: IpamOwner | None, other: IpamOwner) -> bool:
    """Sandbox and interface decide; a Pod's name comes again."""
    return one is not None and (one.container_id, one.ifname) == (other.container_id, other.ifname)


def held_in(entries: Mapping[Address, IpamOwner | None], owner: IpamOwner) -> list[Address]:
    """What an owner has of these entries, lowest first."""
    return sorted((item for item, holder in entries.items() if same_owner(holder, owner)), key=int)


def subnets(root: Path) -> Iterator[Ledger]:
    """Every subnet of which an address was ever given on this node, since it started."""
    with _translated(root):
        names = sorted(os.listdir(root)) if root.is_dir() else []
    for name in names:
        with suppress(ValueError):
            yield Ledger(root, ipaddress.ip_network(name.replace("_", "/")))


class Ledger:
    """The leases of one subnet. Has no state of its own: threads and processes may have one each."""

    def __init__(self, root: Path, subnet: Network) -> None:
        self.subnet = subnet
        self.folder = root / str(subnet).replace("/", "_")

    @contextmanager
    def locked(self, call: Call) -> Iterator[None]:
        """Be the only writer. Raises Timeout or Cancelled as the call says."""
        with _translated(self.folder):
            if not self.folder.is_dir():
                with call.step("subnet.create", folder=str(self.folder)):
                    self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # its lock is for its owner alone
            fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while not _try_lock(fd, self.folder):
                call.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(fd)

    def entries(self) -> Mapping[Address, IpamOwner | None]:
        """Every address that is taken, and by whom; None where somebody put what is no lease of ours."""
        with _translated(self.folder):
            names = os.listdir(self.folder) if self.folder.is_dir() else []
        found: dict[Address, IpamOwner | None] = {}
        for name in names:
            with suppress(ValueError):
                address = ipaddress.ip_address(name)
                with suppress(FileNotFoundError):  # given back meanwhile
                    found[address] = self._read(name)
        return found

    def owner(self, address: Address) -> IpamOwner | None:
        """Who has an address; None if no one of ours."""
        with suppress(FileNotFoundError):
            return self._read(str(address))
        return None

    def held_by(self, owner: IpamOwner) -> list[Address]:
        """What an owner has, lowest first."""
        return held_in(self.entries(), owner)

    def take(self, address: Address, owner: IpamOwner, call: Call) -> None:
        """Write a lease down. The caller holds the lock and knows that the address is free."""
        target = json.dumps(to_json(owner), separators=(",", ":"))
        with call.step("lease.take", **self._facts(address, owner)), _translated(self.folder / str(address)):
            os.symlink(target, self.folder / str(address))

    def drop(self, address: Address, owner: IpamOwner, call: Call) -> None:
        """Strike a lease out, if the owner still has it. The caller holds the lock."""
        if not same_owner(self.owner(address), owner):
            return
        with call.step("lease.drop", **self._facts(address, owner)), _translated(self.folder / str(address)):
            os.unlink(self.folder / str(address))

    def _facts(self, address: Address, owner: IpamOwner) -> dict[str, str]:
        return {"address": str(address), "container_id": owner.container_id, "ifname": owner.ifname}

    def _read(self, name: str) -> IpamOwner | None:
        """Raises FileNotFoundError if it is gone; another failure to read must not pass for an address without owner."""
        path = self.folder / name
        try:
            target = os.readlink(path)
        except FileNotFoundError:
            raise
        except OSError as exc:
            if exc.errno == errno.EINVAL:  # no symbolic link
                return None
            raise _error(exc, path) from exc
        try:
            return from_json(IpamOwner, json.loads(target))
        except (ValueError, RecursionError):
            return None  # a link of somebody else


def _try_lock(fd: int, folder: Path) -> bool:
    with _translated(folder):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """An error of the file system as one of the contract."""
    try:
        yield
    except OSError as exc:
        raise _error(exc, path) from exc


def _error(exc: OSError, path: Path) -> SecnetError:
    message = exc.strerror or str(exc)
    if exc.errno in _REFUSED:
        return MissingPrivilege(message, hint="the agent must be able to write to its run directory", subject=str(path))
    return Unavailable(message, hint="see what is wrong with the run directory; it is tried again", subject=str(path))
