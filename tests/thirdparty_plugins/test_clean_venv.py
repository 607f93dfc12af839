"""The environment that the other tests here stand on: wheels only, and nothing that leads back into this tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from secnet_testing.thirdparty import ROOT, CleanVenv, write_project

pytestmark = pytest.mark.thirdparty

OURS = """
import importlib, importlib.metadata, pkgutil, sys
for name in sys.argv[1:]:
    found = importlib.metadata.distribution(name)
    print(importlib.import_module(name.replace("-", "_")).__file__, (found.read_text("direct_url.json") or "").count("editable"))
print(*sys.path, 0)
"""


def tool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "tools" / "clean-venv", *args], capture_output=True, text=True, check=False)


def members() -> list[str]:
    done = subprocess.run([ROOT / "tools" / "members", "names"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.smoke
def test_every_member_comes_from_a_wheel(clean_venv: CleanVenv) -> None:
    lines = clean_venv.run("python", "-c", OURS, *members()).stdout.splitlines()
    assert len(lines) == len(members()) + 1
    assert [line for line in lines if not line.endswith(" 0")] == []
    assert [line for line in lines[:-1] if not line.startswith(f"{clean_venv.folder}/lib/")] == []
    assert str(ROOT) not in "\n".join(lines)
    pointers = list(clean_venv.folder.rglob("*.pth"))
    assert [file for file in pointers if str(ROOT) in file.read_text()] == []


def test_a_project_is_installed_as_it_is_now(clean_venv: CleanVenv, tmp_path: Path) -> None:
    """Also when a wheel of the same version was installed before."""
    with clean_venv.having(write_project(tmp_path / "first", "again", head="WHICH = 'first'")):
        clean_venv.install(write_project(tmp_path / "second", "again", head="WHICH = 'second'"))
        shown = clean_venv.run("python", "-c", "import secnet_again; print(secnet_again.WHICH)")
        assert shown.stdout == "second\n"
    assert clean_venv.run("python", "-c", "import secnet_again").returncode == 1


def test_what_a_project_lacks_is_reported_and_not_fetched(clean_venv: CleanVenv, tmp_path: Path) -> None:
    project = write_project(tmp_path, "needy")
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('["secnet"]', '["secnet", "secnet-that-nobody-has"]'))
    try:
        done = tool("--add", clean_venv.folder, project)
        assert done.returncode == 1
        assert "requires `secnet-that-nobody-has`, but it's not installed" in done.stderr
    finally:
        clean_venv.uninstall("secnet-needy")


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = tool(tmp_path)
    assert (done.returncode, "left alone" in done.stderr) == (1, True)
    assert tool("--add", tmp_path, tmp_path).returncode == 1
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_environment_or_wheels_of_others_are_left_alone(tmp_path: Path) -> None:
    for file in (tmp_path / "one" / "pyvenv.cfg", tmp_path / "two-wheels" / "thesis.txt"):
        file.parent.mkdir()
        file.write_text("years of work")
        done = tool(tmp_path / file.parent.name.removesuffix("-wheels"))
        assert (done.returncode, "left alone" in done.stderr) == (1, True)
        assert file.read_text() == "years of work"
