"""gRPC servers on unix sockets of a node's disk, for its kubelet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

__all__ = ["PluginServer"]


class PluginServer(grpc.GenericRpcHandler):
    """Serves until `stop`. methods: by path such as `/v1beta1.DevicePlugin/Allocate`, the class of the request and what answers.

    streams: the same for methods that answer with any number of messages.
    """

    def __init__(
        self,
        socket: Path,
        methods: Mapping[str, tuple[Any, Callable[[Any], Any]]],
        streams: Mapping[str, tuple[Any, Callable[[Any], Any]]] | None = None,
    ) -> None:
        self._methods, self._streams = methods, streams or {}
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="kubelet-plugin")
        self._server = grpc.server(self._pool)
        self._server.add_generic_rpc_handlers((self,))
        socket.parent.mkdir(parents=True, exist_ok=True)
        socket.unlink(missing_ok=True)
        self.socket = socket
        self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()

    def service(self, details: Any) -> Any:
        """Called by gRPC: who answers a call of this name."""
        if details.method in self._methods:
            return _handler(grpc.unary_unary_rpc_method_handler, *self._methods[details.method])
        if details.method in self._streams:
            return _handler(grpc.unary_stream_rpc_method_handler, *self._streams[details.method])
        return None

    def stop(self) -> None:
        """End, and remove the socket."""
        self._server.stop(None).wait()
        self._pool.shutdown()
        self.socket.unlink(missing_ok=True)


def _handler(make: Callable[..., Any], request: Any, answer: Callable[[Any], Any]) -> Any:
    return make(
        lambda message, _context: answer(message),
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
