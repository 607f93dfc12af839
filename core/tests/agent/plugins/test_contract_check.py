"""Whether a plugin was made for this contract version: by its metadata, then by its description."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from secnet.agent.plugins._contract_check import check_declared, check_described, suspicion
from secnet.contract import CONTRACT_VERSION, ContractViolation

NEWER = CONTRACT_VERSION + 1


def entry_point(folder: Path, *versions: object) -> importlib.metadata.EntryPoint:
    """That of a distribution which names these contract versions."""
    info = folder / "toy-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: toy\nVersion: 1.2\n", encoding="utf-8")
    lines = ["[secnet.network_types]", "toy = toy:Driver", "[secnet.contract]"]
    lines += [f"{version} = toy" for version in versions]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (found,) = importlib.metadata.PathDistribution(info).entry_points.select(group="secnet.network_types")
    return found


def test_metadata_that_names_our_version_or_none(tmp_path: Path) -> None:
    assert check_declared(entry_point(tmp_path, NEWER, CONTRACT_VERSION)) is True
    (tmp_path / "silent").mkdir()
    assert check_declared(entry_point(tmp_path / "silent")) is False


@pytest.mark.parametrize(("version", "words"), [(NEWER, "secnet is older"), ("x", "no contract version")])
def test_metadata_that_names_others(tmp_path: Path, version: object, words: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        check_declared(entry_point(tmp_path, version))
    assert words in str(caught.value)
    assert "toy 1.2" in caught.value.message


@pytest.mark.parametrize("version", [0, True, "1", None, 10**12])
def test_a_description_whose_version_is_no_number(tmp_path: Path, version: object) -> None:
    with pytest.raises(ContractViolation, match="which is no contract version"):
        check_described(entry_point(tmp_path), SimpleNamespace(contract=version), declared=False)


def test_a_description_of_another_version_than_the_metadata(tmp_path: Path) -> None:
    point = entry_point(tmp_path, CONTRACT_VERSION)
    check_described(point, SimpleNamespace(contract=CONTRACT_VERSION), declared=True)
    check_described(point, object(), declared=True)
    with pytest.raises(ContractViolation, match="in its metadata, but describe"):
        check_described(point, SimpleNamespace(contract=NEWER), declared=True)


def test_only_a_silent_plugin_is_suspected(tmp_path: Path) -> None:
    point = entry_point(tmp_path)
    assert suspicion(point, declared=True) == ""
    assert "does not say for which contract version" in suspicion(point, declared=False)
