"""Calls by gRPC over a unix socket of this node: the container runtime's, the kubelet's.

The extra `secnet[cluster]` brings grpcio and protobuf; they are loaded when the first of them is used, as they take 0.05 s and
21 MiB.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from secnet.contract import SecnetError, Unsupported

if TYPE_CHECKING:
    import grpc
    from google.protobuf.message import Message

__all__ = ["Meaning", "Statuses", "code_of", "load", "method", "open_channel"]

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    # One channel is one connection: what another client of this process met must not delay this one.
    ("grpc.use_local_subchannel_pool", 1),
    # Until it connects again, a call fails although the server is back; left alone, gRPC would wait two minutes in the end.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    # What the kubelet allows: labels and annotations of many Pods in one answer.
    ("grpc.max_receive_message_length", 16 << 20),
)

Answer = TypeVar("Answer", bound="Message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a status code says about a failure, and what to do about it."""

    error: type[SecnetError]
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """What the status codes of one service mean, by their names. other: what all the rest means."""

    table: Mapping[str, Meaning]
    other: Meaning

    def error(self, failure: grpc.RpcError, doing: str, *, subject: str) -> SecnetError:
        """The contract's error for a call that failed. doing: what failed, such as `listing sandboxes`."""
        code, details = code_of(failure)
        return self.error_of(code, details, doing, subject=subject)

    def error_of(self, code: str, details: str, doing: str, *, subject: str) -> SecnetError:
        """The same by the code's name, such as `UNAVAILABLE`, and the server's own words."""
        meaning = self.table.get(code, self.other)
        return meaning.error(f"{doing}: {details or 'no reason given'} ({code})", hint=meaning.hint, subject=subject)


def code_of(failure: Any) -> tuple[str, str]:
    """The name of a failed call's status code, and the server's own words."""
    return failure.code().name, failure.details() or ""


def load(messages: str, *, subject: str) -> tuple[Any, Any]:
    """grpc, and our module of messages by its full name. Raises Unsupported without the extra. subject: who is asked."""
    try:
        return importlib.import_module("grpc"), importlib.import_module(messages)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.split(".")[0] not in ("grpc", "google"):
            raise
        raise Unsupported(
            f"the Python package {exc.name} is not installed",
            hint="install the extra: pip install 'secnet[cluster]'",
            subject=subject,
        ) from exc


def open_channel(library: Any, socket: Path) -> grpc.Channel:
    """A connection that is made, and made again, when it is used."""
    channel: grpc.Channel = library.insecure_channel(f"unix:{socket}", options=_OPTIONS)
    return channel


def method(
    channel: grpc.Channel, path: str, request: type[Message], read: Callable[[bytes], Answer]
) -> grpc.UnaryUnaryMultiCallable[Message, Answer]:
    """A method by its path, such as `/runtime.v1.RuntimeService/Version`. request: the class of its argument."""
    return channel.unary_unary(path, request_serializer=request.SerializeToString, response_deserializer=read)
