"""The real plugin against the real socket: calls, results, and a runtime that gives up."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from secnet.agent.cni._server import CniServer
from secnet.contract import Cancelled, Conflict, PodRef, Unavailable

from .helpers import PREVIOUS, Plugin, ToyAttacher, conf, single

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("server")]  # the program is compiled, and run as root

POD = PodRef(namespace="default", name="web-0", uid="uid-1")
WAIT = 60.0


def test_add_attaches_the_pod_and_passes_the_previous_result(plugin: Plugin, attacher: ToyAttacher) -> None:
    assert plugin.call("ADD", conf()) == (0, PREVIOUS)
    (sandbox,) = attacher.asked
    assert (sandbox.container_id, sandbox.netns, sandbox.ifname, sandbox.pod) == ("c1", "/run/netns/x", "eth0", POD)


def test_add_of_one_network_answers_with_all_about_it(plugin: Plugin) -> None:
    status, result = plugin.call("ADD", single(), CNI_IFNAME="net1")
    assert status == 0
    assert result["interfaces"] == [{"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}]
    assert result["ips"] == [{"address": "10.0.0.5/24", "interface": 0}]


def test_a_failure_fails_the_sandbox(plugin: Plugin, attacher: ToyAttacher) -> None:
    attacher.error = Conflict("two want net1", hint="rename one", subject="Pod default/web-0")
    status, error = plugin.call("ADD", conf())
    assert (status, error["code"], error["details"]) == (1, 102, "rename one")
    assert error["msg"] == "Conflict: Pod default/web-0: two want net1"


def test_a_failure_of_the_agent_itself_is_an_answer_too(plugin: Plugin, attacher: ToyAttacher) -> None:
    attacher.error = ZeroDivisionError()
    assert plugin.call("ADD", conf())[1]["code"] == 105


def test_del_twice_and_without_a_namespace(plugin: Plugin, attacher: ToyAttacher) -> None:
    plugin.call("ADD", conf())
    assert plugin.run("DEL", conf()) == (0, "")
    assert plugin.run("DEL", conf(), CNI_NETNS="") == (0, "")
    assert plugin.run("DEL", conf(), CNI_NETNS=None, CNI_ARGS=None) == (0, "")
    assert not attacher.made


def test_del_succeeds_also_when_something_is_left(plugin: Plugin, attacher: ToyAttacher) -> None:
    """The agent goes on with it; the primary plugin, which is called after ours, must not wait for that."""
    attacher.broken["c1"] = Unavailable("OVSDB does not answer")
    assert plugin.call("DEL", conf())[0] == 0


def test_a_large_configuration_and_a_large_answer_pass(plugin: Plugin) -> None:
    large = PREVIOUS | {"much": ["x" * 100] * 20_000}
    assert plugin.call("ADD", conf(prevResult=large)) == (0, large)


def test_many_at_once(plugin: Plugin, attacher: ToyAttacher) -> None:
    """All are at work at the same time: none is answered before the last one came."""
    barrier = threading.Barrier(24, timeout=WAIT)
    attacher.on_attach = lambda cancel: barrier.wait() and None
    running = [plugin.start("ADD", conf(), CNI_CONTAINERID=f"c{number}") for number in range(24)]
    assert [process.communicate(timeout=WAIT) and process.returncode for process in running] == [0] * 24
    assert len(attacher.made) == 24


def test_a_runtime_that_gives_up_cancels_its_call(plugin: Plugin, attacher: ToyAttacher) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    def attach(cancel: threading.Event) -> None:
        begun.set()
        assert cancel.wait(WAIT)
        cancelled.set()
        raise Cancelled("the runtime gave up")

    attacher.on_attach = attach
    process = plugin.start("ADD", conf())
    assert begun.wait(WAIT)
    process.kill()
    process.communicate()
    assert cancelled.wait(WAIT)
    assert not attacher.made


@pytest.mark.parametrize("configuration", [conf(), single()], ids=["chained", "single"])
def test_what_was_attached_for_a_runtime_that_gave_up_is_detached(
    plugin: Plugin, server: CniServer, attacher: ToyAttacher, configuration: dict[str, object]
) -> None:
    """The attach is past the point where it looks at the event."""
    begun = threading.Event()

    def attach(cancel: threading.Event) -> None:
        begun.set()
        assert cancel.wait(WAIT)

    attacher.on_attach = attach
    process = plugin.start("ADD", configuration)
    assert begun.wait(WAIT)
    assert attacher.made
    process.kill()
    process.communicate()
    assert server.close(drain=WAIT)
    assert not attacher.made


def test_the_device_information_is_written_where_the_caller_wants_it(
    plugin: Plugin, attacher: ToyAttacher, tmp_path: Path
) -> None:
    info = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:03:00.1"}}
    attacher.result = type(attacher.result)(ifname="net1", device_info=info)
    file = tmp_path / "devinfo/blue-net1"
    status, result = plugin.call("ADD", single(cniVersion="1.1.0", runtimeConfig={"CNIDeviceInfoFile": str(file)}))
    assert (status, result["interfaces"][0]["pciID"]) == (0, "0000:03:00.1")
    assert '"0000:03:00.1"' in file.read_text()
