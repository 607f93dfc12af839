"""A unix socket that only root reaches: its directory, its mode, and what may lie in its place."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from secnet.contract import Conflict, InvalidConfig, MissingPrivilege

from ..base.os_errors import translate_os_error

__all__ = ["FileIdentity", "bind_listener", "unbind"]

FileIdentity = tuple[int, int]
"""Device and inode."""

_BACKLOG = 128
_LONGEST = 100  # of the 107 bytes that the kernel takes; the rest is for the name it has until it is complete


def bind_listener(path: Path) -> tuple[socket.socket, FileIdentity]:
    """A listening, non-blocking socket at `path`, mode 0600, and what `unbind` needs.

    A socket without a listener is replaced. The socket is made under another name and renamed, so that no client ever meets
    one with a wrong mode. Raises Conflict when another process listens there or something else lies there, InvalidConfig for
    a path that is too long, MissingPrivilege for a directory that others may write, or what an OSError means.
    """
    if len(os.fsencode(path)) > _LONGEST:
        message = f"the path is longer than {_LONGEST} bytes, which no unix socket can have"
        raise InvalidConfig(message, hint="give a shorter cni.socket", subject=str(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    temporary = path.with_name(f"{path.name}.new")
    try:
        _require_directory(path.parent)
        _require_free(path)
        temporary.unlink(missing_ok=True)
        listener.bind(str(temporary))
        os.chmod(temporary, 0o600)
        listener.listen(_BACKLOG)
        found = os.stat(temporary)
        os.replace(temporary, path)
    except BaseException as exc:
        listener.close()
        if isinstance(exc, OSError):
            raise translate_os_error(exc, path) from exc
        raise
    return listener, (found.st_dev, found.st_ino)


def unbind(path: Path, identity: FileIdentity) -> None:
    """Remove the socket file, unless another process has put its own there."""
    with suppress(FileNotFoundError):
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) == identity:
            path.unlink()


def _require_directory(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = os.stat(directory)
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise MissingPrivilege(
            "others than root may write this directory, and so put their own socket there",
            hint=f"chown root {directory} && chmod go-w {directory}",
            subject=str(directory),
        )


def _require_free(path: Path) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict("this is no socket", hint="remove it, or give another cni.socket", subject=str(path))
    if _is_served(path):
        hint = "stop it, or give this agent another cni.socket"
        raise Conflict("another process serves this socket", hint=hint, subject=str(path))


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            pass  # its backlog is full: there is a listener
    return True
