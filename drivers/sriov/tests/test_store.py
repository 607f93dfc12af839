"""The files of what devices were: on disk before the first change, of one boot, and no end of a device when one is damaged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from secnet.contract import MissingPrivilege
from secnet_conformance.steps import Recorder
from secnet_sriov.store import HoldingStore, Left, Saved

from .conftest import OTHER_VF, VF

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.kernel

OPTIONS = {"vlan": 100, "trust": "on", "spoofchk": "off"}
DAMAGES = ["", "{", "[]", "{}", '{"left": 3}', '{"left": {}, "owner_tag": "secnet", "attachment": {}}', "\0" * 64]


def store(lab: Lab, **fields: Any) -> HoldingStore:
    return HoldingStore(lab.driver(**fields).host)


def reboot(lab: Lab) -> Path:
    """What is saved is of an earlier boot now."""
    folder = store(lab).path(VF).parent
    return folder.rename(folder.with_name("0" * 36))


def test_a_holding_of_another_boot_is_of_no_owner(lab: Lab) -> None:
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns())
    reboot(lab)
    assert driver.inventory(lab.call()).owned == ()
    assert [item.code for item in driver.check(attachment, lab.call()).findings] == ["DeviceNotHeld"]


def test_the_start_forgets_earlier_boots_and_looking_does_not(lab: Lab) -> None:
    lab.attach(lab.driver(), lab.new_netns())
    gone, driver, steps = reboot(lab), lab.driver(), Recorder()
    driver.probe()
    driver.inventory(lab.call())
    assert gone.exists()
    assert driver.reconcile_node({}, lab.call(steps)).ready
    assert not gone.exists()
    assert steps.names == ["boot.forget"]


def test_the_start_keeps_this_boot_and_other_nodes(lab: Lab) -> None:
    """Nodes may share the state directory, and each has its own boot."""
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns())
    other = store(lab, node_name="..").path(VF).parent.with_name("1" * 36)
    other.mkdir(parents=True)
    assert other.resolve().is_relative_to(lab.folder / "state" / "sriov")
    steps = Recorder()
    lab.driver().reconcile_node({}, lab.call(steps))
    assert steps.names == []
    assert other.exists()
    assert driver.check(attachment, lab.call()).clean


def test_file_and_name_are_on_disk_before_the_first_change(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power cannot be cut here: what would be on disk by then is seen by what was synchronised."""
    path, synced = store(lab).path(VF), []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{fd}"), path.exists()))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    lab.attach(lab.driver(), lab.new_netns())
    assert synced == [(str(path.with_suffix(".new")), False), (str(path.parent), True)]


@pytest.mark.parametrize("text", DAMAGES)
def test_a_damaged_file_takes_safe_values_for_what_was(lab: Lab, caplog: pytest.LogCaptureFixture, text: str) -> None:
    """The Pod is gone, and so is its record: no one knows what the device was."""
    driver, pod = lab.driver(), lab.new_netns()
    attachment, _, _ = lab.attach(driver, pod, OPTIONS)
    driver.detach(attachment, lab.call())
    path = store(lab).path(VF)
    path.write_text(text)
    lab.card.save(VF, {**lab.card.load(VF), "vf": {**lab.kept(), "vlan": 100, "trust": True, "spoofchk": False}})
    assert driver.inventory(lab.call()).owned == ()
    with caplog.at_level("WARNING"):
        second, _, _ = lab.attach(driver, lab.new_netns(), {"vlan": 5})
    assert f"device {VF}: {path} holds no saved state" in caplog.text
    assert (lab.kept()["vlan"], lab.kept()["trust"], lab.kept()["spoofchk"]) == (5, False, True)
    driver.detach(second, lab.call())
    assert (lab.kept()["vlan"], lab.kept()["trust"], lab.kept()["spoofchk"]) == (0, False, True)
    assert not path.exists()


def test_a_damaged_file_of_one_device_hides_no_other(lab: Lab) -> None:
    driver = lab.driver()
    attachment, _, _ = lab.attach(driver, lab.new_netns())
    store(lab).path(OTHER_VF).write_text("")
    assert [item.attachment.key for item in driver.inventory(lab.call()).owned] == [attachment.key]


def test_a_marked_link_with_a_damaged_file_is_found_and_restored(lab: Lab) -> None:
    driver, pod = lab.driver(), lab.new_netns()
    before = lab.kept()
    attachment, _, _ = lab.attach(driver, pod, OPTIONS)
    path = store(lab).path(VF)
    path.write_text("")
    assert driver.inventory(lab.call()).owned == (), "its link is in the Pod"
    driver.detach(attachment, lab.call())
    assert lab.kept() == before, "the record has it too"
    assert not path.exists()


def test_a_file_about_another_device_is_damaged(lab: Lab) -> None:
    lab.attach(lab.driver(), lab.new_netns())
    kept = store(lab)
    kept.path(OTHER_VF).write_text(kept.path(VF).read_text())
    assert VF in kept.look(OTHER_VF).damage
    assert [item.attachment.names["device"] for item in kept.all()] == [VF]


def test_a_file_that_may_not_be_read_is_not_taken_for_a_free_device(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' user may read everything, so the refusal is played."""
    kept = store(lab)

    def refuse(self: Path, **_: Any) -> str:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        path = kept.path(VF)
        patch.setattr(HoldingStore, "path", lambda self, device: path)
        patch.setattr(Path, "read_text", refuse)
        with pytest.raises(MissingPrivilege):
            kept.look(VF)


def test_what_is_left_survives_and_no_left_leaves_no_file(lab: Lab) -> None:
    kept = store(lab)
    left = {"trust": Left(was=(False,), kept=(True,)), "vlan": Left(was=(0, 0, "802.1q"))}
    kept.release(VF, left)
    assert store(lab).look(VF) == Saved(left=left)
    assert kept.all() == ()
    kept.release(VF, {})
    assert kept.look(VF) == Saved()
