"""Entry points of installed distributions, one distribution at a time."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from secnet.agent.plugins._discovery import UNKNOWN_DISTRIBUTION, Unreadable, identity, installed, require_class, who
from secnet.contract import ContractViolation

GROUP = "secnet.test_group"


def put(folder: Path, name: str, entry_points: str, metadata: str | None = None) -> None:
    """A distribution in a folder of sys.path."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.2\n" if metadata is None else metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")


def test_a_line_that_is_no_entry_point_spoils_its_own_distribution_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "good", f"[{GROUP}]\na = good:Driver\n[other]\nb = good:Other\n")
    put(tmp_path, "bad", f"[{GROUP}]\nno entry point\n")
    put(tmp_path, "elsewhere", "[other]\nno entry point\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = list(installed(GROUP))
    points = [item for item in found if not isinstance(item, Unreadable)]
    unreadable = [item for item in found if isinstance(item, Unreadable)]
    assert [(item.name, who(item.dist)) for item in points] == [("a", "good 1.2")]
    assert ["bad 1.2 has an entry_points.txt that cannot be read" in item.message for item in unreadable] == [True]


def test_of_two_of_one_name_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "second", "my-plugin", f"[{GROUP}]\nb = second:Driver\n")
    put(tmp_path / "first", "my_plugin", f"[{GROUP}]\na = first:Driver\n")
    for folder in ("second", "first"):
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    assert [item.name for item in installed(GROUP) if isinstance(item, EntryPoint)] == ["a"]


def test_a_distribution_without_metadata_has_no_name() -> None:
    assert identity(None) == (UNKNOWN_DISTRIBUTION, "?")
    assert who(None) == UNKNOWN_DISTRIBUTION


@pytest.mark.parametrize("value", ["module", "module:", "a b:C", "module:Class()"])
def test_an_entry_point_that_names_no_class(value: str) -> None:
    require_class(EntryPoint("x", "package.module:Class", GROUP))
    with pytest.raises(ContractViolation, match="does not name a class"):
        require_class(EntryPoint("x", value, GROUP))
