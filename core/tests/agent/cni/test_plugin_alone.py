"""What the plugin does when no agent answers: the rules that must hold on a node whose agent is not there."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cni._wire import read_call

from .helpers import PREVIOUS, Plugin, conf, single

pytestmark = pytest.mark.kernel  # the program is compiled, and run as the runtime runs it

SYSTEM = "IgnoreUnknown=1;K8S_POD_NAME=dns;K8S_POD_NAMESPACE=kube-system"


def refused(path: Path) -> None:
    """A socket that no one listens at any more."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize("leave", [lambda path: None, refused], ids=["no socket", "no one listens"])
def test_add_is_answered_try_again_later(hasty: Plugin, leave: Callable[[Path], None]) -> None:
    leave(hasty.socket)
    status, error = hasty.call("ADD", conf())
    assert (status, error["code"], error["cniVersion"]) == (1, 11, "1.0.0")
    assert str(hasty.socket) in error["msg"]
    assert error["details"]


def test_the_shipped_program_keeps_its_word_too(plugin: Plugin) -> None:
    assert plugin.call("ADD", conf())[1]["code"] == 11
    assert plugin.call("ADD", conf(), CNI_ARGS=SYSTEM) == (0, PREVIOUS)


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_answer_has_the_version_of_the_request(hasty: Plugin, version: str) -> None:
    assert hasty.call("CHECK", conf(cniVersion=version))[1]["cniVersion"] == version


def test_a_namespace_that_never_waits_gets_the_previous_result_as_it_stands(hasty: Plugin) -> None:
    previous = '{ "cniVersion":"1.0.0", "odd": [1.50, "\\u007d}\\"", {"prevResult": {}}] , "ips":[]}'
    text = json.dumps(conf(prevResult=None))[:-1] + f', "prevResult":\t{previous} }}'
    assert hasty.run("ADD", text.encode(), CNI_ARGS=SYSTEM) == (0, previous)


def test_without_a_plugin_before_there_is_an_empty_result(hasty: Plugin) -> None:
    assert hasty.call("ADD", conf(prevResult=None), CNI_ARGS=SYSTEM) == (0, {"cniVersion": "1.0.0"})


@pytest.mark.parametrize(
    ("configuration", "args"),
    [
        (conf(), SYSTEM.replace("kube-system", "kube-systems")),
        (conf(), SYSTEM.replace("kube-system", "kube")),
        (conf(), SYSTEM.replace("K8S_POD_NAMESPACE", "X_K8S_POD_NAMESPACE")),
        (conf(), ""),
        (conf(), None),
        (conf(failOpenNamespaces=["other"]), SYSTEM),
        (conf(failOpenNamespaces=[]), SYSTEM),
        (conf(failOpenNamespaces="kube-system"), SYSTEM),
        (single(), SYSTEM),
    ],
)
def test_others_wait(hasty: Plugin, configuration: Any, args: str | None) -> None:
    assert hasty.call("ADD", configuration, CNI_ARGS=args)[1]["code"] == 11


def test_the_entry_names_the_namespaces(hasty: Plugin) -> None:
    args = "K8S_POD_NAMESPACE=secnet-system;K8S_POD_NAME=agent"
    assert hasty.call("ADD", conf(failOpenNamespaces=["a", "secnet-system"]), CNI_ARGS=args) == (0, PREVIOUS)


@pytest.mark.parametrize("command", ["DEL", "GC", "STATUS"])
def test_these_succeed_and_say_nothing(hasty: Plugin, command: str) -> None:
    assert hasty.run(command, conf(), CNI_NETNS="") == (0, "")


def test_del_of_one_network_is_answered_try_again_later(hasty: Plugin) -> None:
    """Its caller may end an interface of a Pod that lives on: no one else would ever know that it is to go."""
    assert hasty.call("DEL", single(), CNI_NETNS="")[1]["code"] == 11
    assert hasty.run("GC", single(), CNI_NETNS="") == (0, "")


def test_where_the_agent_was_removed_with_its_directory_nothing_is_left_to_end(hasty: Plugin) -> None:
    hasty.socket.parent.rmdir()
    assert hasty.run("DEL", single(), CNI_NETNS="") == (0, "")
    assert hasty.call("ADD", single())[1]["code"] == 11


def test_check_fails(hasty: Plugin) -> None:
    assert hasty.call("CHECK", conf())[1]["code"] == 11


def test_the_status_of_one_network_says_that_it_is_not_there(hasty: Plugin) -> None:
    assert hasty.call("STATUS", single())[1]["code"] == 50


@pytest.mark.parametrize(
    ("stdin", "version"), [(b'{"cniVersion": "0.4.0"}', "0.4.0"), (b"", "1.1.0"), (b'{"cniVersion": 1}', "1.1.0")]
)
def test_version_needs_no_agent(hasty: Plugin, stdin: bytes, version: str) -> None:
    status, answer = hasty.call("VERSION", stdin, CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None)
    assert status == 0
    assert answer == {"cniVersion": version, "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]}


@pytest.mark.parametrize("command", ["", "add", "PAUSE", None])
def test_an_unknown_command_is_a_bad_environment(hasty: Plugin, command: str | None) -> None:
    status, error = hasty.call("ADD", conf(), CNI_COMMAND=command)
    assert (status, error["code"]) == (1, 4)
    assert "CNI_COMMAND" in error["msg"]


def test_what_is_no_json_cannot_be_decoded(hasty: Plugin) -> None:
    assert hasty.call("ADD", b'{"cniVersion": "1.0.0"')[1]["code"] == 6


@pytest.mark.parametrize(
    "stdin", [b'{"cniVersion": "\xff"}', b'{"cniVersion": "1.0.0\xc3", ', b'{"cniVersion": "\xc3\xa9"']
)
def test_what_is_printed_is_utf_8_whatever_came_in(hasty: Plugin, stdin: bytes) -> None:
    assert hasty.call("ADD", stdin)[1]["cniVersion"] == "1.1.0"


def test_more_than_it_takes_is_refused(hasty: Plugin) -> None:
    status, error = hasty.call("ADD", b"{}" + b" " * (4 * 1024 * 1024))
    assert (status, error["code"]) == (1, 5)


def test_an_agent_that_hangs_is_no_agent(hasty: Plugin) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(hasty.socket))
        listener.listen()
        assert hasty.call("ADD", conf(), CNI_ARGS=SYSTEM) == (0, PREVIOUS)
        error = hasty.call("ADD", conf())[1]
    assert error["code"] == 11
    assert "keepalive" in error["msg"]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"..",
        b".A\0\0",
        b"A" + struct.pack("!II", 0, 5) + b"{}",
        b"X",
        b"A" + struct.pack("!II", 0, 5 << 20) + bytes(5 << 20),
    ],
)
def test_half_an_answer_is_none(hasty: Plugin, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(hasty.socket))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(BrokenPipeError, ConnectionResetError):  # it reads no more than it takes
                read_call(connection, 60.0)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        status, error = hasty.call("ADD", conf())
        thread.join()
    assert (status, error["code"]) == (1, 11)


def test_the_configuration_cannot_name_a_socket(hasty: Plugin, tmp_path: Path) -> None:
    """It may come from a user's object, and the plugin runs as root."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "other.sock"))
        listener.listen()
        listener.setblocking(False)
        hasty.call("ADD", conf(socket=str(tmp_path / "other.sock")))
        with pytest.raises(BlockingIOError):
            listener.accept()
