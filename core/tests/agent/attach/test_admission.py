"""What must hold before an attachment is planned."""

from __future__ import annotations

from pathlib import Path

import pytest
from secnet.agent.attach.admission import Admission, Clearance
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.config.settings import Settings
from secnet.agent.state.journal import Journal
from secnet.contract import Busy, DeviceRef, NotReady
from secnet_testing.contract_objects import record, work
from secnet_testing.scripted_plugins import Script, toy_registry


def admission(folder: Path, script: Script, refusal: str = "") -> Admission:
    clearance = Clearance()
    clearance.slot("another agent")(NotReady(refusal).info if refusal else None)
    plugins = Plugins(toy_registry(script), Settings(node_name="n"), objects=None)  # type: ignore[arg-type]
    return Admission(plugins=plugins, journal=Journal(folder), clearance=clearance)


def test_what_forbids_everything_forbids_this(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="another agent"):
        admission(tmp_path, Script(), "another agent").locks(work())


def test_a_device_is_taken_alone_whether_the_driver_names_it_or_not(tmp_path: Path) -> None:
    asked = work(device=DeviceRef(id="0000:3b:02.1"))
    assert admission(tmp_path, Script()).locks(work()) == ()
    assert admission(tmp_path, Script()).locks(asked) == ("0000:3b:02.1",)
    assert admission(tmp_path, Script(locks=("card", "0000:3b:02.1"))).locks(asked) == ("card", "0000:3b:02.1")


def test_what_another_attachment_holds_is_busy(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(record("eth1", container="other", locks=("card",)))
    asked = admission(tmp_path, Script())
    with pytest.raises(Busy, match="card still belongs to Pod default/web interface eth1"):
        asked.refuse_held(work(), ("card",))
    asked.refuse_held(work(), ("another card",))
    own = admission(tmp_path, Script())
    own.refuse_held(work("eth1", container="other"), ("card",))


def test_a_check_takes_back_its_own_verdict_only() -> None:
    clearance = Clearance()
    first, second = clearance.slot("first"), clearance.slot("second")
    first(NotReady("one").info)
    second(NotReady("two").info)
    with pytest.raises(NotReady, match="one"):
        clearance.require()
    first(None)
    with pytest.raises(NotReady, match="two"):
        clearance.require()
    second(None)
    clearance.require()
