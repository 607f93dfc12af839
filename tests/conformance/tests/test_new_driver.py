"""`secnet new-driver`: what it writes, and what it refuses. tests/thirdparty_plugins/test_guide.py runs the kit over it."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import secnet_conformance
from secnet.agent.cli.program import main
from secnet.agent.plugins.fragments import driver_faults
from secnet.contract import (
    CONTRACT_VERSION,
    Attachment,
    Call,
    HostContext,
    InvalidConfig,
    MissingPrivilege,
    NetworkDriver,
    Unsupported,
)
from secnet_conformance.scaffold import DriverProject

FILES = [
    "pyproject.toml",
    "README.md",
    ".gitignore",
    ".ci/run",
    "src/secnet_my_nic/__init__.py",
    "src/secnet_my_nic/driver.py",
    "src/secnet_my_nic/options.json",
    "src/secnet_my_nic/py.typed",
    "tests/test_conformance.py",
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project `my-nic`, where the command puts it by default."""
    monkeypatch.chdir(tmp_path)
    assert main(["new-driver", "my-nic"]) == 0
    return tmp_path / "secnet-my-nic"


@pytest.fixture
def module(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Its package, imported."""
    monkeypatch.syspath_prepend(project / "src")
    yield importlib.import_module("secnet_my_nic")
    for name in [name for name in sys.modules if name.split(".")[0] == "secnet_my_nic"]:
        del sys.modules[name]


def test_it_says_what_it_wrote_and_what_comes_next(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-driver", "other", "--directory", "a folder"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("wrote ")] == [
        f"wrote a folder/{name.replace('my_nic', 'other')}" for name in FILES
    ]
    assert lines[lines.index("") + 2 : -1] == [
        "  cd 'a folder'",
        "  pip install --no-index --find-links WHEELS --no-build-isolation -e '.[test]'",
        "  pytest",
    ]


def test_the_project_is_complete(project: Path) -> None:
    files = {path for path in project.rglob("*") if path.is_file()}
    assert {str(path.relative_to(project)) for path in files} == set(FILES)
    assert [path for path in files if "%%" in path.read_text()] == []
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert (table["name"], table["dependencies"]) == ("secnet-my-nic", ["secnet"])
    assert table["optional-dependencies"] == {"test": ["secnet-conformance"]}
    assert table["entry-points"] == {
        "secnet.network_types": {"my-nic": "secnet_my_nic:MyNicDriver"},
        "secnet.contract": {str(CONTRACT_VERSION): "secnet_my_nic"},
    }


def test_the_todos_are_numbered_without_a_gap(project: Path) -> None:
    texts = [path.read_text() for path in project.rglob("*") if path.is_file()]
    found = {number for number in range(1, 20) for text in texts if f"TODO {number}:" in text}
    assert found == set(range(1, 11))


def test_what_the_case_suggests_is_python_with_names_that_exist(project: Path) -> None:
    """Its comments, uncommented."""
    text = (project / "tests" / "test_conformance.py").read_text()
    code = "\n".join(
        re.sub("^    #   ?", "    ", line)
        for line in text.splitlines()
        if re.match("    #   |class .*Case|    (good|driver)", line)
    )
    names = {name: getattr(secnet_conformance, name) for name in secnet_conformance.__all__}
    known: dict[str, Any] = names | {
        "Attachment": Attachment,
        "Path": Path,
        "MyNicDriver": NetworkDriver,
        "__file__": "a",
    }
    exec(compile(code, "test_conformance.py", "exec"), known)
    case = known["MyNicCase"]
    assert [item.reason for item in case.bad] == ["NotReady"]
    assert len(case.breakages) == 2
    assert {"prepare", "inside", "golden"} <= set(vars(case))


def test_what_a_run_leaves_is_ignored(project: Path) -> None:
    assert "/report.md" in (project / ".gitignore").read_text().splitlines()


def test_the_driver_is_one_that_the_registry_takes(module: ModuleType) -> None:
    info = module.MyNicDriver.describe()
    assert list(driver_faults(info)) == []
    assert info.network_type == "my-nic"


def test_nothing_that_is_not_written_pretends_to_work(module: ModuleType, tmp_path: Path) -> None:
    driver: NetworkDriver = module.MyNicDriver(HostContext(node_name="node", run_dir=tmp_path))
    report = driver.probe()
    assert (report.ready, report.message.partition(":")[0]) == (False, "not written yet")
    anything: Any = None
    for act in (driver.plan, driver.attach, driver.check, driver.detach):
        with pytest.raises(Unsupported, match="not written yet"):
            act(anything, Call())
    with pytest.raises(Unsupported, match="not written yet"):
        driver.inventory(Call())
    driver.close()


def test_the_ci_script_is_one_that_the_shell_takes(project: Path) -> None:
    script = project / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    done = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert ".ci/run WHEELS LOCK" in done.stderr


def test_the_project_keeps_the_styles_of_this_one(project: Path) -> None:
    """A newcomer's linters should not be the first to complain."""
    for command in (["check", "--select", "E,W,F,I,UP,B,C4,SIM,PT,RUF"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--isolated", "--line-length", "130"],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def names_in(source: str) -> tuple[set[str], set[str]]:
    """What a module imports from elsewhere, and the classes it defines."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    return imported, {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def test_no_class_has_the_name_of_something_imported() -> None:
    """Every imported name is tried as the driver's, the case's and the suite's; a name is refused or makes no clash."""
    files = DriverProject(network_type="my-nic", distribution="secnet-my-nic").files()
    modules = [path for path in files if path.endswith(".py")]
    every = {name for path in modules for name in names_in(files[path])[0]}
    assert {"NetworkDriver", "NoReturn", "DriverCase", "DriverSuite"} <= every
    stems = {name.removesuffix(suffix) for name in every for suffix in ("", "Driver", "Case", "Suite")} | {
        "Driver",
        "Case",
    }
    accepted = 0
    for stem in sorted(stems):
        name = kebab(stem)
        try:
            project = DriverProject(network_type=name, distribution=f"secnet-{name}")
        except InvalidConfig:
            continue
        accepted += 1
        for path, text in project.files().items():
            if path.endswith(".py"):
                imported, classes = names_in(text)
                assert not (imported - {project.class_name}) & classes, name
                assert not (project.class_name in classes and project.class_name in imported), name
    assert accepted > 10


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["new-driver", "my-nic", "--directory", str(tmp_path / "empty")]) == 0


def test_the_distribution_may_have_another_name(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    assert main(["new-driver", "my-nic", "--distribution", "acme-nets", "--directory", str(folder)]) == 0
    assert (folder / "src" / "acme_nets" / "driver.py").is_file()
    assert json.loads((folder / "src" / "acme_nets" / "options.json").read_text())["type"] == "object"
    assert 'my-nic = "acme_nets:MyNicDriver"' in (folder / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["My_Nic"], "such as my-nic"),
        (["3com"], "'3com' is no name of a network type"),
        (["a--b"], "single dashes"),
        (["x" * 41], "at most 40 characters"),
        (["../up"], "is no name"),
        (["my-nic", "--distribution", "json"], "secnet-my-nic"),
        (["my-nic", "--distribution", "class"], "a name that Python or secnet uses"),
        (["my-nic", "--distribution", "secnet"], "a name that Python or secnet uses"),
        (["my-nic", "--distribution", "Acme"], "is no name of a distribution"),
        (["my-nic", "--distribution", "secnet-vlan"], "secnet-vlan is a distribution of secnet itself"),
        (["ipam"], "secnet-ipam is a distribution of secnet itself"),
        (["conformance"], "--distribution my-conformance"),
        (["my-nic", "--distribution", ""], "'' is no name of a distribution"),
        (["my-nic", "--distribution", "secnet-testing"], "a module secnet_testing is installed already"),
        (["vlan"], "provided by secnet-vlan"),
        (["network"], "such as my-network"),
        (["driver"], "such as my-driver"),
        (["testbed"], "such as my-testbed"),
        (["y" * 41, "--distribution", "acme"], "is no name of a network type"),
    ],
)
def test_a_name_that_cannot_work_is_refused_with_a_remedy(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-driver", *arguments, "--directory", str(tmp_path / "new")]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert "; " in said.err  # the remedy
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_needs_no_name_of_a_distribution(tmp_path: Path) -> None:
    assert main(["new-driver", "x" * 40, "--directory", str(tmp_path / "new")]) == 0


def test_a_folder_with_a_repository_in_it_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert main(["new-driver", "my-nic", "--directory", str(tmp_path)]) == 0


@pytest.mark.parametrize("there", ["file", "full"])
def test_nothing_is_written_over(there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "there"
    mine = target if there == "file" else target / "driver.py"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert main(["new-driver", "my-nic", "--directory", str(target)]) == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_folder_that_cannot_be_written_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-driver", "my-nic", "--directory", "/proc/new"]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["sub", "sub/deeper"])
def test_a_folder_below_a_file_is_reported(below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["new-driver", "my-nic", "--directory", str(tmp_path / "file" / below)]) == 1
    assert f"{tmp_path}/file is not a folder, so there can be no {tmp_path}/file/{below}" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["", "new"])
def test_a_folder_that_no_one_may_read_is_reported(where: str, tmp_path: Path) -> None:
    """As a user who is not root, who may not even look; root may."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    else:
        closed.chmod(0)
    try:
        with pytest.raises(MissingPrivilege, match="cannot be written: Permission denied"):
            DriverProject(network_type="my-nic", distribution="secnet-my-nic").write(closed / where)
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
