"""What the plugin and the agent say over the socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from secnet.agent.cni._wire import answer_bytes, read_call
from secnet.contract import InvalidConfig, Timeout, Unavailable

VARIABLES, STDIN = b"CNI_COMMAND=ADD\0CNI_IFNAME=eth0\0", b'{"a": 1}'
REQUEST = struct.pack("!4sII", b"SCN1", len(VARIABLES), len(STDIN)) + VARIABLES + STDIN


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    plugin, agent = socket.socketpair()
    with plugin, agent:
        yield plugin, agent


def test_a_request_in_pieces(pair: tuple[socket.socket, socket.socket]) -> None:
    plugin, agent = pair
    plugin.sendall(REQUEST)
    call = read_call(agent, 10)
    assert (call.environment, call.stdin) == ((b"CNI_COMMAND=ADD", b"CNI_IFNAME=eth0"), STDIN)


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1", struct.pack("!4sII", b"SCN1", 1 << 20, 0), struct.pack("!4sII", b"SCN1", 0, 1 << 24)]
)
def test_another_language_and_lengths_that_no_call_has(pair: tuple[socket.socket, socket.socket], head: bytes) -> None:
    plugin, agent = pair
    plugin.sendall(head)
    with pytest.raises(InvalidConfig, match="secnet-cni"):
        read_call(agent, 10)


def test_half_a_request(pair: tuple[socket.socket, socket.socket]) -> None:
    plugin, agent = pair
    plugin.sendall(REQUEST[:-1])
    with pytest.raises(Timeout):
        read_call(agent, 0.05)
    plugin.sendall(REQUEST[:20])
    plugin.close()
    with pytest.raises(Unavailable, match="went away"):
        read_call(agent, 10)


def test_an_answer_counts_bytes_and_not_characters() -> None:
    assert answer_bytes(1, "é") == b"A" + struct.pack("!II", 1, 2) + "é".encode()
