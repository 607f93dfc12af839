"""The table from error numbers to the errors of the contract."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from secnet.contract import (
    Busy,
    Conflict,
    Gone,
    InvalidConfig,
    MissingPrivilege,
    NotReady,
    SecnetError,
    Timeout,
    Unavailable,
    Unsupported,
)
from secnet.linux.errors import ERRNO_TABLE, from_errno, translated

EXPECTED = {
    MissingPrivilege: "EPERM EACCES EROFS",
    Conflict: "EEXIST EADDRINUSE ENOTUNIQ",
    InvalidConfig: "EINVAL ERANGE EADDRNOTAVAIL ENAMETOOLONG EMSGSIZE ENETUNREACH EHOSTUNREACH",
    Unsupported: "EOPNOTSUPP EAFNOSUPPORT EPROTONOSUPPORT ENOSYS ENOPROTOOPT",
    NotReady: "ENODEV ENXIO ENOENT ESRCH ENETDOWN",
    Busy: "EBUSY EAGAIN ENOTCONN ENOMEM ENOBUFS EMFILE ENFILE ENOSPC",
    Timeout: "ETIMEDOUT",
    Gone: "ESTALE",
}
CASES = [(name, kind) for kind, names in EXPECTED.items() for name in names.split()]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_number_has_its_class_and_a_hint(name: str, kind: type[SecnetError]) -> None:
    error = from_errno(getattr(errno, name), "creating the link sn0", subject="sn0")
    assert type(error) is kind
    assert error.hint
    assert error.subject == "sn0"
    assert "creating the link sn0" in error.message
    assert errno.errorcode[getattr(errno, name)] in error.message


def test_the_table_holds_nothing_that_is_not_tested() -> None:
    assert {getattr(errno, name) for name, _ in CASES} == set(ERRNO_TABLE)


def test_an_unknown_number_is_tried_again_and_named() -> None:
    error = from_errno(errno.EXFULL, "creating the link sn0")
    assert type(error) is Unavailable
    assert "EXFULL" in error.message
    assert "98765" in from_errno(98765, "creating the link sn0").message


def test_the_kernels_own_words_and_the_callers_hint_win() -> None:
    error = from_errno(errno.EINVAL, "setting mtu", detail="mtu greater than device maximum", hint="lower it")
    assert "mtu greater than device maximum (EINVAL)" in error.message
    assert error.hint == "lower it"


def test_an_oserror_is_translated_and_chained(tmp_path: Path) -> None:
    with pytest.raises(NotReady) as caught, translated("reading a file", subject="thing", path="somewhere"):
        (tmp_path / "none").read_text()
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert (caught.value.subject, caught.value.path) == ("thing", "somewhere")


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), translated("dividing"):
        _ = 1 // 0
