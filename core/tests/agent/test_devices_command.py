"""`secnet devices` over a fake sysfs: a card with functions is no part of every machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cli.devices import Given, show
from secnet.agent.journal import Record
from secnet.contract import DeviceRef
from secnet.linux.functions import Functions
from secnet_testing.builders import record
from secnet_testing.fakesys import FakeSys

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


def test_a_device_that_is_gone_from_the_bus_is_told_of(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(functions, (holds(GONE, "net1"),), as_json=True) == 1
    data = {item["device"]: item for item in json.loads(capsys.readouterr().out)}
    assert data[GONE]["kind"] == "gone"
    assert data[GONE]["holder"]["pod"] == "default/web"
    assert (data[PF]["enabledFunctions"], data[PF]["totalFunctions"], data[PF]["holder"]) == (2, 8, None)


def test_a_node_without_cards_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    FakeSys(tmp_path)
    assert show(Functions(tmp_path), (), as_json=False) == 0
    assert "docs/sriov.md" in capsys.readouterr().out
