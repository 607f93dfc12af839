"""Calls as runtimes make them become checked data, or the error code that the specification gives."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.cni._errors import InvalidCniCall
from secnet.agent.cni._protocol import CniCall, Command, parse_call
from secnet.agent.cni._wire import RawCall
from secnet.contract import PodRef

from .helpers import ARGS, PREVIOUS, RUNTIME, conf, raw, single


def error_of(*call: Any, **changes: str | None) -> InvalidCniCall:
    with pytest.raises(InvalidCniCall) as caught:
        parse_call(raw(*call, **changes))
    return caught.value


def test_a_chained_add() -> None:
    call = parse_call(raw("ADD", conf(failOpenNamespaces=["a", "b"])))
    assert (call.command, call.cni_version, call.network, call.plugin_type) == (
        Command.ADD,
        "1.0.0",
        "cluster",
        "secnet-cni",
    )
    assert (call.container_id, call.netns, call.ifname) == ("c1", "/run/netns/x", "eth0")
    assert call.pod == PodRef(namespace="default", name="web-0", uid="uid-1")
    assert call.path == ("/opt/cni/bin", "/usr/lib/cni")
    assert call.prev_result is not None
    assert call.prev_result["own"]["a"] == (1.5, "}")
    assert call.fail_open_namespaces == {"a", "b"}


def test_the_order_of_the_arguments_does_not_count() -> None:
    turned = ";".join(reversed(ARGS.split(";")))
    assert parse_call(raw("ADD", conf(), CNI_ARGS=turned)) == parse_call(raw("ADD", conf()))


def test_without_a_pod_in_the_arguments_there_is_none() -> None:
    assert parse_call(raw("ADD", conf(), CNI_ARGS=None)).pod is None


def test_the_annotations_cni_args_are_no_part_of_the_networks_own_configuration() -> None:
    call = parse_call(raw("ADD", conf(args={"cni": {"a": 1}})))
    assert call.runtime.cni_args == {"a": 1}
    assert "args" not in call.conf
    empty = parse_call(raw("ADD", conf(args={"cni": {}})))
    assert (empty.runtime.cni_args, "args" in empty.conf) == (None, False)
    of_another = parse_call(raw("ADD", conf(args={"cni": {"a": 1}, "other": 2})))
    assert of_another.conf["args"]["other"] == 2


def test_what_runtimes_add_is_no_part_of_the_networks_own_configuration() -> None:
    added = {"runtimeConfig": RUNTIME, "capabilities": {"ips": True}, "deviceID": "d", "cni.dev/x": 1}
    call = parse_call(raw("ADD", single(prevResult=PREVIOUS, **added)))
    assert dict(call.conf) == {"cniVersion": "1.0.0", "name": "blue", "type": "secnet", "networkType": "toy"}


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ({"runtimeConfig": []}, ""),
        ({"runtimeConfig": "x"}, "runtimeConfig"),
        ({"runtimeConfig": {"mac": "01:00:00:00:00:01"}}, "$.runtimeConfig.mac"),
        ({"runtimeConfig": {"ips": ["10.0.0.5", "x"]}}, "$.runtimeConfig.ips[1]"),
        ({"runtimeConfig": {"bandwidth": {"ingressBurst": 5}}}, "$.runtimeConfig.bandwidth.ingressBurst"),
        ({"runtimeConfig": {"CNIDeviceInfoFile": 1}}, "$.runtimeConfig.CNIDeviceInfoFile"),
        ({"deviceID": "a", "pciBusID": "b"}, "different devices"),
        ({"deviceID": 1}, "$.deviceID"),
        ({"prevResult": []}, "prevResult"),
        ({"name": None}, "name"),
        ({"name": "-x"}, "name"),
        ({"name": 5}, "name"),
        ({"type": "bridge"}, "type"),
        ({"type": None}, "type"),
    ],
)
def test_a_bad_configuration_is_code_7(added: dict[str, Any], says: str) -> None:
    if not says:
        assert parse_call(raw("ADD", single(**added)))
        return
    error = error_of("ADD", single(**added))
    assert error.code == 7
    assert says in error.message


@pytest.mark.parametrize("version", [None, "0.1.0", "0.2.0", "1.2.0", "2.0.0", 1])
def test_other_versions_are_code_1_and_the_message_names_ours(version: Any) -> None:
    error = error_of("ADD", conf(cniVersion=version))
    assert error.code == 1
    assert "0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0" in error.message


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"1", b'{"a": 1, "a": 2}', b"\xff\xfe", b'{"a": NaN}'])
def test_what_cannot_be_decoded_is_code_6(stdin: bytes) -> None:
    assert error_of("ADD", stdin).code == 6


@pytest.mark.parametrize(
    ("command", "changes", "named"),
    [
        ("ADD", {"CNI_CONTAINERID": None, "CNI_NETNS": ""}, ["CNI_CONTAINERID", "CNI_NETNS"]),
        ("ADD", {"CNI_IFNAME": None}, ["CNI_IFNAME"]),
        ("CHECK", {"CNI_NETNS": None}, ["CNI_NETNS"]),
        ("DEL", {"CNI_CONTAINERID": None, "CNI_NETNS": None}, ["CNI_CONTAINERID"]),
        ("DEL", {"CNI_IFNAME": ""}, ["CNI_IFNAME"]),
        ("ADD", {"CNI_CONTAINERID": "../x"}, ["CNI_CONTAINERID"]),
        ("ADD", {"CNI_CONTAINERID": "-x"}, ["CNI_CONTAINERID"]),
        ("ADD", {"CNI_CONTAINERID": "x" * 300}, ["CNI_CONTAINERID", "128"]),
        ("ADD", {"CNI_ARGS": "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b\nc"}, ["CNI_ARGS", "control character"]),
        ("ADD", {"CNI_IFNAME": "a/b"}, ["CNI_IFNAME"]),
        ("ADD", {"CNI_IFNAME": ".."}, ["CNI_IFNAME"]),
        ("ADD", {"CNI_IFNAME": "x" * 16}, ["CNI_IFNAME"]),
        ("ADD", {"CNI_NETNS": "run/netns/x"}, ["CNI_NETNS"]),
        ("ADD", {"CNI_ARGS": "K8S_POD_NAME"}, ["CNI_ARGS"]),
        ("ADD", {"CNI_ARGS": "MAC=02:00:00:00:00:01"}, ["CNI_ARGS", "MAC"]),
        ("PAUSE", {}, ["CNI_COMMAND"]),
    ],
)
def test_a_bad_environment_is_code_4_and_named(command: str, changes: dict[str, str | None], named: list[str]) -> None:
    error = error_of(command, conf(), **changes)
    assert error.code == 4
    assert all(name in error.message for name in named)


def test_a_variable_that_is_no_text_is_code_4() -> None:
    call = raw("ADD", conf())
    with pytest.raises(InvalidCniCall, match="CNI_X") as caught:
        parse_call(RawCall(environment=(*call.environment, b"CNI_X=\xff"), stdin=call.stdin))
    assert caught.value.code == 4


def test_del_takes_what_add_would_refuse() -> None:
    odd = conf(prevResult=[], runtimeConfig={"mac": "no"}, failOpenNamespaces=5)
    call = parse_call(raw("DEL", odd, CNI_NETNS=None, CNI_ARGS="odd;MAC=1;K8S_POD_NAME=a\n"))
    assert (call.command, call.container_id, call.netns) == (Command.DEL, "c1", "")
    assert parse_call(raw("DEL", odd, CNI_CONTAINERID="x" * 300)).container_id == "x" * 300


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_some_commands_have_no_container(command: str) -> None:
    gone = {"CNI_CONTAINERID": None, "CNI_NETNS": None, "CNI_IFNAME": None, "CNI_ARGS": None}
    assert parse_call(raw(command, conf(), **gone)).command == command


def test_version_needs_nothing_else() -> None:
    assert parse_call(RawCall(environment=(b"CNI_COMMAND=VERSION",), stdin=b"")) == CniCall(
        command=Command.VERSION, cni_version="1.1.0"
    )


def test_the_valid_attachments_of_gc() -> None:
    given = {
        "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "x"}]
    }
    assert parse_call(raw("GC", conf(**given))).valid_attachments == {("c1", "eth0"), ("c2", "x")}
    assert parse_call(raw("GC", conf(**{"cni.dev/valid-attachments": []}))).valid_attachments == frozenset()
    assert parse_call(raw("GC", conf())).valid_attachments is None


@pytest.mark.parametrize("given", [{}, "x", [1], [{"containerID": "c1"}], [{"containerID": "", "ifname": "x"}]])
def test_a_list_that_is_not_understood_keeps_nothing_from_being_refused(given: Any) -> None:
    assert error_of("GC", conf(**{"cni.dev/valid-attachments": given})).code == 7
