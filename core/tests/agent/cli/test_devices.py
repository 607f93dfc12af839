"""`secnet devices` over a fake sysfs: a card with functions is no part of every machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cli.devices import Given, held_devices, show
from secnet.agent.config.settings import Settings
from secnet.agent.model.record import Record
from secnet.agent.plugins.registry import Registry
from secnet.contract import DeviceRef, NetworkRef, Unavailable
from secnet.linux.functions import Functions
from secnet_testing.contract_objects import record
from secnet_testing.fake_sysfs import FakeSys
from secnet_testing.scripted_plugins import Script, fail, toy_registry

PF, VF0, VF1, SF, GONE = "0000:3b:00.0", "0000:3b:02.0", "0000:3b:02.1", "mlx5_core.sf.2", "0000:99:00.1"


def holds(device: str, ifname: str, **prior: Any) -> Record:
    made = record(ifname)
    request = dataclasses.replace(
        made.attachment.request, device=DeviceRef(id=device, resource="example.com/sriov"), ifname=ifname
    )
    return dataclasses.replace(made, attachment=dataclasses.replace(made.attachment, request=request, prior=prior))


@pytest.fixture
def functions(tmp_path: Path) -> Functions:
    card = FakeSys(tmp_path)
    card.pf(PF, "ens1f0", total=8)
    card.vf(PF, 0, VF0)
    card.vf(PF, 1, VF1, driver="vfio-pci")
    card.netdev(VF0, "ens1f0v0")
    card.sf(PF, SF, 88)
    return Functions(tmp_path)


def test_each_device_stands_behind_its_card_with_the_pod_that_has_it(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(functions, (holds(VF1, "net1", name="ens1f0v1"), holds(SF, "net2")), as_json=False) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    pod = ["example.com/sriov", "default/web"]
    assert lines == [
        [PF, "PF", "-", "2", "of", "8", "igb", "ens1f0", "-", "-", "-", "-", "-"],
        [SF, "SF", PF, "88", "mlx5_core.sf", "-", *pod, "net2", "default/blue", "unknown"],
        [VF0, "VF", PF, "0", "igbvf", "ens1f0v0", "-", "-", "-", "-", "-"],
        [VF1, "VF", PF, "1", "vfio-pci", "-", *pod, "net1", "default/blue", "saved"],
    ]


def test_the_kubelets_word_counts_for_what_no_record_has(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {VF0: Given(pod="other/db", resource="example.com/fast"), VF1: Given(pod="no/body", resource="other")}
    assert show(functions, (holds(VF1, "net1"),), given, as_json=True) == 0
    data = {item["device"]: item["holder"] for item in json.loads(capsys.readouterr().out)}
    assert data[VF0] == {"resource": "example.com/fast", "pod": "other/db", "interface": "", "network": ""}
    assert (data[VF1]["pod"], data[VF1]["resource"]) == ("default/web", "example.com/sriov")


def test_a_device_that_is_gone_from_the_bus_is_reported(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(functions, (holds(GONE, "net1"),), as_json=True) == 1
    data = {item["device"]: item for item in json.loads(capsys.readouterr().out)}
    assert data[GONE]["kind"] == "gone"
    assert data[GONE]["holder"]["pod"] == "default/web"
    assert (data[PF]["enabledFunctions"], data[PF]["totalFunctions"], data[PF]["holder"]) == (2, 8, None)


def test_what_the_driver_holds_is_not_free_when_its_record_is_lost(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, recorded = holds(VF0, "net1", name="ens1f0v0").attachment, holds(VF1, "net2")
    marked = dataclasses.replace(holds(SF, "net3").attachment, prior={})  # of which only the mark on its link is left
    bare = dataclasses.replace(marked.request, pod=None, network=NetworkRef(namespace="", name=""), container_id="c9")
    marked = dataclasses.replace(marked, request=bare)
    held = (lost, dataclasses.replace(recorded.attachment, prior={"name": "ens1f0v1"}), marked)
    assert show(functions, (recorded,), {}, held, as_json=True) == 0
    data = {item["device"]: item["holder"] for item in json.loads(capsys.readouterr().out)}
    pod = {"resource": "example.com/sriov", "pod": "default/web", "network": "default/blue", "before": "saved"}
    assert data[VF0] == {**pod, "interface": "net1", "phase": "Unrecorded"}
    assert data[VF1] == {**pod, "interface": "net2", "phase": "Attached"}, "the driver knows what the record does not"
    assert (data[SF]["pod"], data[SF]["network"], data[SF]["before"]) == ("c9", "", "unknown")


def test_what_a_driver_holds_is_reported_when_it_is_gone_from_the_bus(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(functions, (), {}, (holds(GONE, "net1").attachment,), as_json=True) == 1
    assert json.loads(capsys.readouterr().out)[-1]["kind"] == "gone"


def test_in_a_virtual_machine_stands_what_pods_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It sees no physical function. What else the kubelet gives is no function of a card."""
    machine = FakeSys(tmp_path)
    machine.vf("", 0, "0000:00:05.0")
    machine.vf("", 0, "0000:00:06.0")
    machine.vf("", 0, "0000:00:07.0")
    machine.vf("", 0, "0000:00:08.0")
    (machine.path("0000:00:08.0") / "class").write_text("0x030200\n")
    given = {
        each: Given(pod="default/db", resource="example.com/x")
        for each in ("0000:00:05.0", "0000:00:08.0", "GPU-5a7f", "../..", GONE)
    }
    assert show(Functions(tmp_path), (holds("0000:00:06.0", "net1"),), given, as_json=False) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    ours = ["example.com/sriov", "default/web", "net1", "default/blue", "unknown"]
    assert lines == [
        ["0000:00:05.0", "function", "-", "-", "igbvf", "-", "example.com/x", "default/db", "-", "-", "-"],
        ["0000:00:06.0", "function", "-", "-", "igbvf", "-", *ours],
    ]


def test_an_id_that_no_bus_has_is_not_gone(functions: Functions, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(functions, (holds("slot 7", "net1"),), as_json=True) == 0
    assert json.loads(capsys.readouterr().out)[-1]["kind"] == "other"


def test_drivers_that_need_devices_are_asked_and_one_that_fails_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = holds(VF0, "net1").attachment
    script = Script(found=(held,))
    toys = toy_registry(script)
    settings = Settings(node_name="n", state_dir=tmp_path / "none")
    assert held_devices(toys, settings) == (), "it needs none"
    (toy,) = toys.drivers.values()
    needy = dataclasses.replace(toy, info=dataclasses.replace(toy.info, needs_device=True))
    two = {name: dataclasses.replace(needy, name=name, cls=type(name, (toy.cls,), {})) for name in ("bad", "toy")}
    monkeypatch.setattr(two["bad"].cls, "inventory", lambda driver, call: fail(Unavailable("no bus"))())
    assert held_devices(Registry(drivers=two, backends={}, problems=()), settings) == (held,)
    assert "what network type bad holds is left out: Unavailable: no bus" in capsys.readouterr().err
    assert not (tmp_path / "none").exists(), "nothing is written"


def test_a_node_without_cards_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FakeSys(tmp_path)
    assert show(Functions(tmp_path), (), as_json=False) == 0
    assert "docs/sriov.md" in capsys.readouterr().out
