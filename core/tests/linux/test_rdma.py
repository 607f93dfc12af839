"""RDMA devices: what the kernel answers on a machine without, and what is said to one that has some.

No machine of ours has a device that can be moved; the soft one of the kernel refuses it. So the other end of a socket pair
plays the kernel, with answers in the form of linux/rdma/rdma_netlink.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from secnet.contract import NotReady, Unsupported
from secnet.linux.rdma import RdmaConnection, open_rdma_socket

NETLINK_RDMA = 20
GET, SET, SYS_GET = 0x1401, 0x1402, 0x1406
ERROR, DONE = 2, 3


def number(kind: int, value: int) -> bytes:
    return struct.pack("=HHI", 8, kind, value)


DEVICE = number(1, 7) + struct.pack("=HH8s", 4 + 7, 2, b"mlx5_3\0")
EXCLUSIVE, SHARED = (struct.pack("=HHB3x", 5, 66, mode) for mode in (0, 1))


@pytest.fixture
def pair() -> Iterator[tuple[RdmaConnection, socket.socket]]:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    connection = RdmaConnection(ours)
    try:
        yield connection, kernel
    finally:
        connection.close()
        kernel.close()


def answer(kernel: socket.socket, sequence: int, kind: int, body: bytes) -> None:
    kernel.send(struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body)


@pytest.mark.kernel
def test_a_kernel_without_the_subsystem_says_so() -> None:
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA).close()
    except OSError:
        with pytest.raises(Unsupported, match="RDMA"):
            open_rdma_socket()
        return
    connection = RdmaConnection(open_rdma_socket())
    try:
        with pytest.raises(NotReady, match="snone"):
            connection.move("snone", 0)
    finally:
        connection.close()


@pytest.mark.parametrize(("mode", "expected"), [(EXCLUSIVE, True), (SHARED, False), (b"", False)])
def test_the_mode(pair: tuple[RdmaConnection, socket.socket], mode: bytes, expected: bool) -> None:
    connection, kernel = pair
    answer(kernel, 1, SYS_GET, mode)
    assert connection.exclusive() is expected


def test_the_devices(pair: tuple[RdmaConnection, socket.socket]) -> None:
    connection, kernel = pair
    answer(kernel, 1, GET, DEVICE)
    answer(kernel, 1, DONE, bytes(4))
    assert connection.devices() == {"mlx5_3": 7}
    answer(kernel, 2, DONE, bytes(4))
    assert connection.devices() == {}


def test_a_move_names_device_and_namespace(pair: tuple[RdmaConnection, socket.socket]) -> None:
    connection, kernel = pair
    answer(kernel, 1, GET, DEVICE)
    answer(kernel, 1, DONE, bytes(4))
    answer(kernel, 2, ERROR, bytes(20))
    connection.move("mlx5_3", 5)
    kernel.recv(1000)
    size, kind, flags, sequence, _ = struct.unpack_from("=IHHII", sent := kernel.recv(1000))
    assert (size, kind, flags, sequence) == (len(sent), SET, 0x5, 2)
    assert sent[16:] == number(1, 7) + number(68, 5)


def test_a_refused_move_is_an_error(pair: tuple[RdmaConnection, socket.socket]) -> None:
    connection, kernel = pair
    answer(kernel, 1, GET, DEVICE)
    answer(kernel, 1, DONE, bytes(4))
    answer(kernel, 2, ERROR, struct.pack("=i16x", -95))
    with pytest.raises(Unsupported, match="moving the RDMA device mlx5_3"):
        connection.move("mlx5_3", 5)
