"""The rules of ADD, DEL, CHECK, GC and STATUS that hold in a chain and for one network alike."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cni._service import CniService
from secnet.agent.cni.interface import Attached
from secnet.contract import Busy, Finding, Gone, Unavailable

from .helpers import PREVIOUS, RECORDS, SYSTEM, ToyAttacher, ask, code, conf, raw, single, valid

BOTH = pytest.mark.parametrize("configuration", [conf(), single()], ids=["chained", "single"])


@pytest.mark.parametrize(
    ("command", "configuration"),
    [("ADD", conf()), ("CHECK", conf()), ("ADD", single()), ("CHECK", single(prevResult=PREVIOUS))],
    ids=["chained ADD", "chained CHECK", "single ADD", "single CHECK"],
)
def test_before_recovery_a_call_is_answered_try_again_later(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any], command: str
) -> None:
    attacher.ready = False
    assert code(ask(service, command, configuration)) == 11
    assert attacher.asked == []


@BOTH
def test_del_does_not_wait_for_the_recovery(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any]
) -> None:
    """It needs the journal only, and an error would keep the primary plugin from its own work."""
    attacher.ready = False
    assert code(ask(service, "DEL", configuration)) is None
    assert len(attacher.asked) == 1


@BOTH
def test_a_call_that_comes_before_recovery_is_served_after_it(
    attacher: ToyAttacher, configuration: dict[str, Any]
) -> None:
    attacher.ready = False
    looked = threading.Event()

    class Becoming(ToyAttacher):
        @property
        def ready(self) -> bool:
            looked.set()
            return attacher.ready

        @ready.setter
        def ready(self, value: bool) -> None: ...

    becoming = Becoming()
    answers: list[Any] = []
    service = CniService(becoming, ready_timeout=60.0)
    caller = threading.Thread(target=lambda: answers.append(ask(service, "ADD", configuration)))
    caller.start()
    assert looked.wait(60)
    attacher.ready = True
    caller.join()
    assert code(answers[0]) is None
    assert becoming.made


def test_a_caller_that_gives_up_before_recovery_is_not_served(attacher: ToyAttacher) -> None:
    attacher.ready = False
    cancel = threading.Event()
    cancel.set()
    assert code(CniService(attacher, ready_timeout=60.0).answer(raw("ADD", conf()), cancel)) == 11
    assert attacher.asked == []


@BOTH
def test_a_line_about_a_call_says_which_sandbox(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    attacher.error = Busy("no address is free")
    ask(service, "ADD", configuration, CNI_CONTAINERID="c" * 64)
    attacher.error, attacher.broken["c" * 64] = None, Busy("somebody works on it")
    ask(service, "DEL", configuration, CNI_CONTAINERID="c" * 64)
    shown = [vars(line) for line in caplog.records if line.name.startswith("secnet.agent.cni")]
    assert len(shown) == 2
    assert [(line["pod"], line["container"]) for line in shown] == [("default/web-0", "c" * 13)] * 2


@BOTH
def test_the_answer_knows_how_to_take_it_back(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any]
) -> None:
    answer = ask(service, "ADD", configuration)
    assert attacher.made
    assert answer.undo is not None
    answer.undo()
    assert not attacher.made


@BOTH
def test_what_was_attached_after_the_runtime_gave_up_is_detached(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any]
) -> None:
    attacher.on_attach = lambda cancel: cancel.set()
    assert code(ask(service, "ADD", configuration)) == 11
    assert not attacher.made


@pytest.mark.parametrize("file", ["/etc/passwd", "devinfo/../x", "devinfo/.hidden", "devinfo/", "devinfo/a/b"])
def test_device_information_goes_nowhere_else_and_nothing_is_left(
    service: CniService, attacher: ToyAttacher, tmp_path: Path, file: str
) -> None:
    attacher.result = Attached(ifname="net1", device_info={"type": "pci"})
    path = str(tmp_path) + "/" + file if not file.startswith("/") else file
    assert code(ask(service, "ADD", single(runtimeConfig={"CNIDeviceInfoFile": path}))) == 7
    assert not attacher.made
    assert not (tmp_path / "devinfo").exists()


def test_device_information_follows_no_link(service: CniService, attacher: ToyAttacher, tmp_path: Path) -> None:
    attacher.result = Attached(ifname="net1", device_info={"type": "pci"})
    (tmp_path / "devinfo").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "devinfo/x").symlink_to(tmp_path / "precious")
    path = str(tmp_path / "devinfo/x")
    assert ask(service, "ADD", single(runtimeConfig={"CNIDeviceInfoFile": path})).status == 0
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "devinfo/x").read_text() == '{"type": "pci"}'


@BOTH
def test_del_of_what_is_gone_succeeds(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any]
) -> None:
    attacher.broken["c1"] = Gone("the sandbox is gone")
    assert ask(service, "DEL", configuration).stdout == ""
    assert ask(service, "DEL", configuration).status == 0


def test_del_ends_only_its_own(service: CniService, attacher: ToyAttacher) -> None:
    ask(service, "ADD", conf(), CNI_CONTAINERID="old")
    ask(service, "ADD", conf(), CNI_CONTAINERID="new")
    ask(service, "ADD", single(), CNI_CONTAINERID="new", CNI_IFNAME="net1")
    ask(service, "DEL", conf(), CNI_CONTAINERID="old", CNI_ARGS=None)
    assert attacher.made == {("new",), ("new", "net1", "blue")}
    ask(service, "DEL", single(), CNI_CONTAINERID="new", CNI_IFNAME="net1")
    assert attacher.made == {("new",)}


@BOTH
def test_check_reports_what_is_wrong(service: CniService, attacher: ToyAttacher, configuration: dict[str, Any]) -> None:
    checked = configuration | {"prevResult": PREVIOUS}
    assert ask(service, "CHECK", checked).stdout == ""
    attacher.findings = [Finding(code="InterfaceMissing", message="net1 is not there")]
    answer = ask(service, "CHECK", checked)
    assert code(answer) == 104
    assert answer.result
    assert "InterfaceMissing: net1 is not there" in answer.result["msg"]


@BOTH
def test_check_needs_what_add_answered(service: CniService, configuration: dict[str, Any]) -> None:
    without = {key: value for key, value in configuration.items() if key != "prevResult"}
    assert code(ask(service, "CHECK", without)) == 7


@BOTH
def test_gc_without_a_list_ends_nothing(
    service: CniService, attacher: ToyAttacher, configuration: dict[str, Any]
) -> None:
    attacher.records = RECORDS
    assert code(ask(service, "GC", configuration)) == 7
    assert attacher.asked == []


def test_gc_goes_on_after_an_error_and_reports_it(service: CniService, attacher: ToyAttacher) -> None:
    attacher.records = RECORDS
    attacher.broken = {"dead": Unavailable("OVSDB does not answer")}
    answer = ask(service, "GC", conf(**valid()))
    assert code(answer) == 11
    assert attacher.asked == [("dead",), ("lives",)]


def test_version(service: CniService) -> None:
    assert ask(service, "VERSION", {"cniVersion": "0.4.0"}).result == {
        "cniVersion": "0.4.0",
        "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    }


@pytest.mark.parametrize(("configuration", "version"), [(conf(cniVersion="9.9.9"), "9.9.9"), (b"{", "1.1.0")])
def test_an_error_has_the_version_of_the_request(service: CniService, configuration: Any, version: str) -> None:
    answer = ask(service, "ADD", configuration)
    assert answer.result
    assert answer.result["cniVersion"] == version


def test_where_only_ends_are_served_nothing_new_is(attacher: ToyAttacher) -> None:
    service = CniService(attacher, teardown_only=True)
    for configuration in (conf(), single()):
        assert code(ask(service, "ADD", configuration)) == 11
    assert code(ask(service, "STATUS", single())) == 50
    assert code(ask(service, "STATUS", conf())) is None, "a node is never NotReady because of us"
    passed = ask(service, "ADD", conf(failOpenNamespaces=["kube-system"]), CNI_ARGS=SYSTEM)
    assert passed.result == PREVIOUS | {"cniVersion": "1.0.0"}
    assert attacher.asked == []
    for configuration in (conf(), single()):
        assert code(ask(service, "DEL", configuration)) is None
    assert len(attacher.asked) == 2
