"""Whatever a caller says, there is an answer that CNI knows, and never a failure of the agent itself."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from secnet.agent.cni._service import CniService
from secnet.agent.cni._wire import RawCall

from .helpers import PREVIOUS, ToyAttacher, environment

KEYS = (
    "cniVersion",
    "name",
    "type",
    "prevResult",
    "runtimeConfig",
    "failOpenNamespaces",
    "cni.dev/valid-attachments",
    "deviceID",
    "pciBusID",
    "mac",
    "ips",
    "bandwidth",
    "portMappings",
    "infinibandGUID",
    "CNIDeviceInfoFile",
    "containerID",
    "ifname",
)
TEXTS = st.sampled_from(["", "1.0.0", "secnet", "secnet-cni", "blue", "eth0", "c1", "10.0.0.1/24", "\ud800", "\0"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
GOOD = {"cniVersion": "1.0.0", "name": "blue", "type": "secnet"}
CONFIGURATIONS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6).flatmap(
    lambda odd: st.sampled_from([odd, GOOD | odd, GOOD | {"type": "secnet-cni", "prevResult": PREVIOUS} | odd])
)
COMMANDS = st.sampled_from(["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "X"])
ARGS = st.lists(st.sampled_from(["K8S_POD_NAMESPACE=a", "K8S_POD_NAME=b", "IgnoreUnknown=1", "X=1", "=", "x", ""]))


def ask(command: str, stdin: bytes, args: list[str]) -> tuple[int, Any]:
    variables = environment(command, CNI_ARGS=";".join(args))
    raw = RawCall(environment=tuple(f"{key}={value}".encode() for key, value in variables.items()), stdin=stdin)
    service = CniService(ToyAttacher(), ready_timeout=0.0, device_info_dir=Path("/nowhere"))
    answer = service.answer(raw, threading.Event())
    return answer.status, json.loads(answer.stdout) if answer.stdout else None


@given(COMMANDS, CONFIGURATIONS, ARGS)
def test_any_configuration(command: str, configuration: dict[str, Any], args: list[str]) -> None:
    status, answer = ask(command, json.dumps(configuration).encode(), args)
    assert (status == 0) == (answer is None or "code" not in answer)
    assert answer is None or answer.get("code") != 105, answer


@given(COMMANDS, st.binary(max_size=40))
def test_any_bytes(command: str, stdin: bytes) -> None:
    _, answer = ask(command, stdin, [])
    assert answer is None or answer.get("code") != 105, answer
