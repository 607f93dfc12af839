"""Requests and answers of one socket: against a kernel played by the test, for what a healthy one does not do."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

import pytest
from secnet.contract import Busy, Timeout, Unavailable
from secnet.linux.addresses import parse_address
from secnet.linux.rtnl import Rtnl, host_rtnl

from . import recorded

NEW_ADDRESS, ERROR, DONE = 20, 2, 3
MULTI, INTERRUPTED = 0x2, 0x10

Answers = Callable[[int], list[tuple[bytes, int]]]


def message(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    size = 16 + len(body)
    return struct.pack("=IHHII", size, kind, flags, sequence, 0) + body + b"\0" * (-size % 4)


def done(sequence: int, code: int = 0, flags: int = MULTI) -> bytes:
    return message(DONE, sequence, struct.pack("=i", -code), flags)


class PlayedSocket:
    """Answers each request by datagrams with the port of their sender.

    A mock, because the kernel cannot be made to lose an answer, to be interrupted in time, or to cut a message off.
    """

    def __init__(self, *answers: Answers) -> None:
        self._answers = list(answers)
        self._queue: list[tuple[bytes, int]] = []

    def send(self, request: bytearray) -> int:
        sequence = struct.unpack_from("=I", request, 8)[0]
        self._queue = self._answers.pop(0)(sequence)
        return len(request)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        if not self._queue:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        data, sender = self._queue.pop(0)
        return data, (sender, 0)


def handle(*answers: Answers) -> Rtnl:
    return Rtnl(PlayedSocket(*answers))  # type: ignore[arg-type]


def one_address(sequence: int, flags: int = MULTI) -> list[tuple[bytes, int]]:
    return [(message(NEW_ADDRESS, sequence, recorded.ADDRESS_4, flags), 0), (done(sequence, flags=flags), 0)]


def test_a_dump_may_come_in_several_datagrams() -> None:
    def answer(sequence: int) -> list[tuple[bytes, int]]:
        first = message(NEW_ADDRESS, sequence, recorded.ADDRESS_4, MULTI)
        second = message(NEW_ADDRESS, sequence, recorded.ADDRESS_6, MULTI)
        return [(first, 0), (second + done(sequence), 0)]

    assert handle(answer).addresses() == (parse_address(recorded.ADDRESS_4), parse_address(recorded.ADDRESS_6))


def test_answers_of_others_and_to_others_are_not_ours() -> None:
    def answer(sequence: int) -> list[tuple[bytes, int]]:
        return [
            (message(NEW_ADDRESS, sequence, recorded.ADDRESS_6) + done(sequence), 4711),  # another process
            (message(ERROR, sequence + 7, struct.pack("=i", -errno.EPERM)), 0),  # another request
            *one_address(sequence),
        ]

    assert handle(answer).addresses() == (parse_address(recorded.ADDRESS_4),)


def test_an_interrupted_dump_is_repeated() -> None:
    found = handle(lambda number: one_address(number, MULTI | INTERRUPTED), one_address).addresses()
    assert found == (parse_address(recorded.ADDRESS_4),)


def test_a_list_that_never_stands_still_is_busy() -> None:
    restless = [lambda number: one_address(number, MULTI | INTERRUPTED)] * 5
    with pytest.raises(Busy, match="listing the addresses: the list kept changing"):
        handle(*restless).addresses()


def test_a_dump_refused_at_its_end_is_an_error() -> None:
    with pytest.raises(Unavailable, match="listing the addresses"):
        handle(lambda number: [(done(number, errno.EIO), 0)]).addresses()


def test_addresses_of_a_link_that_is_gone_are_none() -> None:
    assert handle(lambda number: [(message(ERROR, number, struct.pack("=i", -errno.ENODEV)), 0)]).addresses(5) == ()


def test_no_answer_is_a_timeout() -> None:
    with pytest.raises(Timeout, match="listing the addresses: no answer within 10 seconds"):
        handle(lambda number: []).addresses()


def test_an_answer_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(Unavailable, match="reading the kernel's answer"):
        handle(lambda number: [(one_address(number)[0][0][:-8], 0)]).addresses()


def test_a_closed_socket_is_an_error_of_the_contract() -> None:
    with host_rtnl() as kernel:
        pass
    with pytest.raises(Unavailable, match="reading the link lo"):
        kernel.link("lo")
