"""What the plugin does when the runtime hands it the Pod's annotations: no agent for ordinary Pods, patience for the others."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cni._server import CniServer
from secnet.agent.cni._service import CniService
from secnet.agent.cni._wire import answer_bytes, read_call
from secnet.agent.model.pod import NETWORKS_ANNOTATION
from secnet.contract import Cancelled

from .helpers import PREVIOUS, SYSTEM, Plugin, ToyAttacher, handed, single

pytestmark = pytest.mark.kernel  # the program is compiled, and run as the runtime runs it

ORDINARY = {"kubernetes.io/config.source": "api"}
NETWORKED = {NETWORKS_ANNOTATION: "blue"}
WAIT = 30.0


@contextmanager
def listening(plugin: Plugin) -> Iterator[socket.socket]:
    """A socket at the agent's place that no process serves."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(plugin.socket))
        listener.listen()
        listener.settimeout(WAIT)
        yield listener


def serve(path: Path, service: CniService) -> CniServer:
    server = CniServer(path, service.answer)
    server.start()
    return server


def result(process: subprocess.Popen[bytes]) -> tuple[int, Any]:
    out, _ = process.communicate(timeout=WAIT)
    return process.returncode, json.loads(out)


@pytest.mark.parametrize("annotations", [ORDINARY, {}, None, {NETWORKS_ANNOTATION: " "}])
def test_an_ordinary_pod_is_not_asked_about(hasty: Plugin, annotations: dict[str, str] | None) -> None:
    assert hasty.call("ADD", handed(annotations)) == (0, PREVIOUS)
    with listening(hasty) as listener:
        assert hasty.call("ADD", handed(annotations)) == (0, PREVIOUS)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_its_previous_result_passes_as_it_stands(hasty: Plugin) -> None:
    previous = '{ "cniVersion":"1.0.0", "odd": [1.50, "\\u007d}\\"", {"prevResult": {}}] , "ips":[]}'
    text = json.dumps(handed(ORDINARY, prevResult=None))[:-1] + f', "prevResult":\t{previous} }}'
    assert hasty.run("ADD", text.encode()) == (0, previous)


def test_the_other_commands_ask_the_agent(plugin: Plugin, server: CniServer, attacher: ToyAttacher) -> None:
    assert plugin.run("DEL", handed(ORDINARY)) == (0, "")
    assert attacher.asked == [("c1",)]
    attacher.ready = False
    assert plugin.call("CHECK", handed(ORDINARY))[1]["code"] == 11


@pytest.mark.parametrize("command", ["DEL", "GC", "STATUS", "CHECK"])
def test_the_other_commands_do_not_wait(hasty: Plugin, command: str) -> None:
    status, out = hasty.run(command, handed(NETWORKED))
    assert (status, out) == (0, "") or json.loads(out)["code"] == 11


def test_one_network_is_always_asked_for(hasty: Plugin) -> None:
    """Its caller has read the annotation itself."""
    configuration = single(runtimeConfig={"io.kubernetes.cri.pod-annotations": ORDINARY})
    assert hasty.call("ADD", configuration)[1]["code"] == 11


def test_a_namespace_that_never_waits_does_not_wait(hasty: Plugin) -> None:
    assert hasty.call("ADD", handed(NETWORKED), CNI_ARGS=SYSTEM) == (0, PREVIOUS)


def test_a_pod_with_networks_waits_for_the_agent(plugin: Plugin, service: CniService, attacher: ToyAttacher) -> None:
    process = plugin.start("ADD", handed(NETWORKED))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)  # without annotations it would have given up by now
    server = serve(plugin.socket, service)
    assert result(process) == (0, PREVIOUS)
    assert attacher.made == {("c1",)}
    assert server.close()


def test_an_agent_that_ends_while_it_works_is_waited_for(plugin: Plugin, service: CniService) -> None:
    with listening(plugin) as listener:
        process = plugin.start("ADD", handed(NETWORKED))
        connection, _ = listener.accept()
        read_call(connection, WAIT)
        connection.close()
    plugin.socket.unlink()
    server = serve(plugin.socket, service)
    assert result(process) == (0, PREVIOUS)
    assert server.close()


def test_an_agent_that_stops_and_goes_on_is_waited_for(hasty: Plugin) -> None:
    with listening(hasty) as listener:
        process = hasty.start("ADD", handed(NETWORKED))
        connection, _ = listener.accept()
        with connection:
            read_call(connection, WAIT)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)  # any other call ends after 0.6 s of silence
            connection.sendall(answer_bytes(0, json.dumps(PREVIOUS)))
            assert result(process) == (0, PREVIOUS)


def test_an_agent_that_is_replaced_leaves_the_call_to_its_successor(
    plugin: Plugin, service: CniService, attacher: ToyAttacher
) -> None:
    begun = threading.Event()

    def until_cancelled(cancel: threading.Event) -> None:
        begun.set()
        assert cancel.wait(WAIT)
        raise Cancelled("the agent ends")

    attacher.on_attach = until_cancelled
    first = serve(plugin.socket, service)
    process = plugin.start("ADD", handed(NETWORKED))
    assert begun.wait(WAIT)
    assert first.close()
    attacher.on_attach = lambda cancel: None
    second = serve(plugin.socket, service)
    assert result(process) == (0, PREVIOUS)
    assert attacher.made == {("c1",)}
    assert second.close()


def test_it_stops_waiting_when_the_runtime_is_to_read_its_configuration(hasty: Plugin) -> None:
    """The runtime does so when no plugin is at work, and starts no Pod until then."""
    folder = hasty.path.parent / "net.d"
    folder.mkdir()
    (folder / "10-net.conflist").write_text("{}")
    for change in (
        lambda: (folder / "10-net.conflist").write_text("{ }"),
        lambda: (folder / "token").touch(),
        lambda: (folder / "token").rename(folder / "20-net.conf"),
        lambda: (folder / "20-net.conf").unlink(),
    ):
        process = hasty.start("ADD", handed(NETWORKED))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        change()
        status, error = result(process)
        assert (status, error["code"]) == (1, 11)
        assert "configuration changed" in error["msg"]


def test_it_does_not_wait_where_the_configuration_changed_while_the_plugins_before_it_worked(
    wary: Plugin, service: CniService
) -> None:
    folder = wary.path.parent / "net.d"
    folder.mkdir()
    for make in (lambda: None, lambda: (folder / "10-net.conflist").write_text("{}")):
        make()
        status, error = result(wary.start("ADD", handed(NETWORKED)))
        assert (status, error["code"]) == (1, 11)
        assert "configuration changed a moment ago; this Pod's next attempt waits" in error["msg"]
    server = serve(wary.socket, service)
    assert wary.call("ADD", handed(NETWORKED)) == (0, PREVIOUS), "the agent is asked as always"
    assert server.close()


def test_it_waits_where_no_configuration_is_in_sight(wary: Plugin) -> None:
    process = wary.start("ADD", handed(NETWORKED))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.kill()
    process.communicate()


def test_what_it_does_not_understand_is_not_asked_again(hasty: Plugin) -> None:
    with listening(hasty) as listener:
        process = hasty.start("ADD", handed(NETWORKED))
        connection, _ = listener.accept()
        with connection:
            read_call(connection, WAIT)
            connection.sendall(b"X")
            status, error = result(process)
    assert (status, error["code"]) == (1, 11)
    assert "another version" in error["msg"]
