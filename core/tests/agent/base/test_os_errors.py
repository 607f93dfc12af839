"""The table of operating-system errors."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from secnet.agent.base.os_errors import translate_os_error, translated
from secnet.contract import InvalidConfig, MissingPrivilege, SecnetError, Unavailable


@pytest.mark.parametrize(
    ("code", "cls", "hint"),
    [
        (errno.EACCES, MissingPrivilege, "run as root"),
        (errno.EPERM, MissingPrivilege, "run as root"),
        (errno.EROFS, MissingPrivilege, "mounted writable"),
        (errno.ENOTDIR, InvalidConfig, "name a directory"),
        (errno.ELOOP, InvalidConfig, "loop"),
        (errno.ENAMETOOLONG, InvalidConfig, "shorter"),
        (errno.EISDIR, InvalidConfig, "remove it"),
        (errno.ENOENT, Unavailable, "exists"),
        (errno.ENOSPC, Unavailable, "free some space"),
        (errno.EDQUOT, Unavailable, "quota"),
        (errno.EMFILE, Unavailable, "open files"),
        (errno.ENFILE, Unavailable, "open files"),
        (errno.EIO, Unavailable, "disk errors"),
        (errno.EBUSY, Unavailable, "try again"),
    ],
)
def test_each_error_says_what_to_do(code: int, cls: type[SecnetError], hint: str) -> None:
    error = translate_os_error(OSError(code, "what the system says", "/some/file"), Path("/elsewhere"))
    assert type(error) is cls
    assert error.subject == "/some/file"
    assert error.message == "what the system says"
    assert hint in error.hint


def test_the_path_stands_in_where_the_system_names_none() -> None:
    assert translate_os_error(OSError(errno.ENOSPC, "full"), Path("/elsewhere")).subject == "/elsewhere"
    assert translate_os_error(OSError(errno.EIO, "error", 7), Path("/elsewhere")).subject == "/elsewhere"


def test_a_real_error_is_chained(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nothing") as caught, translated(tmp_path):
        (tmp_path / "nothing").read_text()
    assert isinstance(caught.value.__cause__, FileNotFoundError)
