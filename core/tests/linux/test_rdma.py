"""RDMA devices: what the kernel answers on a machine that has none."""

from __future__ import annotations

import pytest
from secnet.contract import NotReady, Unsupported
from secnet.linux.rdma import RdmaConnection, open_rdma_socket


@pytest.mark.kernel
def test_without_a_device_there_is_nothing_to_move() -> None:
    try:
        connection = RdmaConnection(open_rdma_socket())
    except Unsupported as exc:
        # A kernel without the subsystem says so here: that is the answer the drivers take for "nothing to move".
        assert "RDMA" in exc.message
        return
    try:
        assert isinstance(connection.exclusive(), bool)
        with pytest.raises(NotReady, match="snone"):
            connection.move("snone", 0)
    finally:
        connection.close()
