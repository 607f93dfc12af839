"""What holds for the workspace as a whole, and what no linter can see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
GROUPS = ("secnet.network_types", "secnet.ipam")


def run(*command: str | Path, **options: Any) -> str:
    """Standard output of a command that must succeed."""
    options.setdefault("cwd", ROOT)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


MEMBERS = run(sys.executable, "tools/members", "dirs").split()
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())


def project(member: str) -> dict[str, Any]:
    """The [project] table of a member."""
    table: dict[str, Any] = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    return table


def tracked() -> list[Path]:
    """The files in git that exist, without links (their targets are files themselves)."""
    names = run("git", "ls-files", "-z").split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


# --- Imports that import-linter cannot see ----------------------------------------------------------------------------


def test_the_contract_needs_the_standard_library_only() -> None:
    """A driver author's tools may read the contract where nothing is installed."""
    source = ROOT / "core" / "src"
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r})\n"
        "import importlib, pkgutil, secnet.contract\n"
        "for module in pkgutil.walk_packages(secnet.contract.__path__, 'secnet.contract.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = set(run(sys.executable, "-I", "-S", "-c", code).split())
    assert "secnet" in loaded
    assert loaded - set(sys.stdlib_module_names) - {"secnet", "__main__"} == set()


@pytest.mark.parametrize("module", ["secnet_vlan", "secnet_sriov", "secnet_ipam"])
def test_a_plugin_loads_neither_the_agent_nor_kubernetes(module: str) -> None:
    loaded = set(run(sys.executable, "-c", f"import sys, {module}; print(*sys.modules)").split())
    assert module in loaded
    unwanted = {
        name for name in loaded if name.split(".")[0] in ("kubernetes", "grpc") or name.startswith("secnet.agent")
    }
    assert unwanted == set()


def test_the_contract_and_the_kernel_library_work_without_the_extras() -> None:
    """`pip install secnet` alone brings neither ovsdbapp nor kubernetes."""
    loaded = set(run(sys.executable, "-c", "import sys, secnet.contract, secnet.linux; print(*sys.modules)").split())
    assert {name.split(".")[0] for name in loaded} & {"ovs", "ovsdbapp", "kubernetes", "grpc"} == set()


def test_os_vif_is_kept_out_of_this_environment() -> None:
    """It brings eventlet, which the ovs package imports as soon as it finds it."""
    installed = {canonicalize_name(found.name) for found in metadata.distributions()}
    assert installed & {"os-vif", "eventlet"} == set()


# --- Members ----------------------------------------------------------------------------------------------------------


def test_no_member_folder_is_a_package() -> None:
    """core/__init__.py would make `import core` a package that hides what is under core/src."""
    outside_src = [
        path.relative_to(ROOT)
        for path in tracked()
        if path.name == "__init__.py" and any(path.parent == ROOT / member for member in [*MEMBERS, "drivers", "."])
    ]
    assert outside_src == []


@pytest.mark.parametrize("member", MEMBERS)
def test_each_member_is_complete(member: str) -> None:
    folder = ROOT / member
    table = project(member)
    package = folder / "src" / table["name"].replace("-", "_")
    assert (folder / "README.md").is_file()
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    assert table["version"] == project("core")["version"]
    assert table["requires-python"] == ">=3.11"
    assert table["license"] == "Apache-2.0"


def test_the_tools_know_each_member() -> None:
    """Only the list of members is read by the tools; these three hold it a second time."""
    names = {project(member)["name"] for member in MEMBERS}
    assert set(CONFIG["tool"]["uv"]["sources"]) == names
    assert set(CONFIG["tool"]["importlinter"]["root_packages"]) == {name.replace("-", "_") for name in names}
    typed = {f"{member}/src" for member in MEMBERS}
    assert typed <= set(CONFIG["tool"]["mypy"]["files"])
    paths = {path.removeprefix("$MYPY_CONFIG_FILE_DIR/") for path in CONFIG["tool"]["mypy"]["mypy_path"].split(":")}
    assert typed <= paths


ENTRY_POINTS = [
    (member, group, name, value)
    for member in MEMBERS
    for group in GROUPS
    for name, value in project(member).get("entry-points", {}).get(group, {}).items()
]


@pytest.mark.parametrize(("member", "group", "name", "value"), ENTRY_POINTS)
def test_each_entry_point_loads_from_its_distribution(member: str, group: str, name: str, value: str) -> None:
    (found,) = metadata.entry_points(group=group, name=name)
    assert found.value == value
    assert found.dist is not None
    assert found.dist.name == project(member)["name"]
    assert isinstance(found.load(), type)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_wheel_holds_all_that_the_package_reads(member: str, tmp_path: Path) -> None:
    """Schema files and the mark of a typed package are data: a wheel without them still imports, and fails later."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT / member)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / member / "src"
    wanted = {
        str(path.relative_to(source))
        for path in tracked()
        if path.is_relative_to(source) and path.suffix in (".py", ".json", ".typed")
    }
    assert wanted
    assert wanted - inside == set()
    assert any(name.endswith("licenses/LICENSE") for name in inside)


# --- Dependencies and lock --------------------------------------------------------------------------------------------


def declared(table: dict[str, Any]) -> list[str]:
    lists = [table.get("dependencies", []), *table.get("optional-dependencies", {}).values()]
    return [requirement for one in lists for requirement in one]


def locked(name: str) -> dict[str, Version]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): Version(version) for package, version in pins}


def test_the_lock_holds_a_fitting_version_of_each_dependency() -> None:
    """`make lock` was run after the last change of a dependency."""
    ours = {project(member)["name"] for member in MEMBERS}
    on_nodes = [member for member in MEMBERS if not member.startswith("tests/")]
    agent = [Requirement(text) for member in on_nodes for text in declared(project(member))]
    wanted = {
        "requirements.txt": [Requirement(text) for text in CONFIG["dependency-groups"]["dev"]],
        "requirements-bench.txt": [Requirement(text) for text in CONFIG["dependency-groups"]["bench"]],
        "requirements-cluster.txt": [requirement for requirement in agent if requirement.name not in ours],
    }
    for file, requirements in wanted.items():
        pins = locked(file)
        for requirement in requirements:
            name = canonicalize_name(requirement.name)
            assert name in pins, f"{file} lacks {name}: run make lock"
            assert pins[name] in requirement.specifier, f"{file} has {name} {pins[name]}: run make lock"


def test_the_locks_agree_with_each_other() -> None:
    """What is tested is what an agent with every extra runs."""
    tested, shipped = locked("requirements.txt"), locked("requirements-cluster.txt")
    assert {
        name: (tested[name], shipped[name]) for name in tested.keys() & shipped.keys() if tested[name] != shipped[name]
    } == {}


@pytest.mark.parametrize("file", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_each_locked_version_has_a_hash(file: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / file).read_text().strip())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("file", ["pyproject.toml", *(f"{member}/pyproject.toml" for member in MEMBERS)])
def test_each_dependency_says_what_it_earns(file: str) -> None:
    listed = re.compile(r'^ +"[A-Za-z][\w.-]*(\[\w+\])?([<>=~!][^"]*)?",')
    silent, inside = [], False
    for line in (ROOT / file).read_text().splitlines():
        if re.match(r"^(dependencies|dev|bench|ovs|cluster) = \[", line):
            inside = True
        elif line.startswith("]"):
            inside = False
        elif inside and listed.match(line) and "#" not in line:
            silent.append(line.strip())
    assert silent == []


# --- What no tracked file may hold ------------------------------------------------------------------------------------


def test_uv_lock_is_not_tracked() -> None:
    """It holds download addresses; the lock is requirements*.txt."""
    assert run("git", "ls-files", "uv.lock") == ""


# Spelt in pieces, so that this file does not match itself.
REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "deb" + ".debian.org",
    "security" + ".debian.org",
    "crates" + ".io",
]
REGISTRIES += ["registry.npm" + "js.org", "proxy.go" + "lang.org", "repo1.mav" + "en.org", "snapshot" + ".debian.org"]
MACHINE_PATH = re.compile(rb"(?:^|[\s'\"(=:`])/(?:home|root|work|farm|tmp)/[A-Za-z0-9_.]", re.MULTILINE)


def machine_hosts() -> set[str]:
    """Hosts that this machine's package clients are set up with."""
    texts = [os.environ.get(name, "") for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX")]
    places = [Path("/etc/apt/sources.list"), Path("/etc/pip.conf"), *Path("/etc/apt/sources.list.d").glob("*")]
    texts += [place.read_text() for place in places if place.is_file()]
    hosts = {host for text in texts for host in re.findall(r"https?://(?:[^/@\s]*@)?([\w.-]+)", text)}
    # A bare word or an address could stand in any text by chance.
    return {host for host in hosts if "." in host and re.search("[a-z]", host)}


def test_no_tracked_file_names_a_package_host() -> None:
    """A clone must work with whatever mirror its machine is set up with."""
    hosts = [host.encode() for host in {*REGISTRIES, *machine_hosts()}]
    found = [
        (str(path.relative_to(ROOT)), host.decode())
        for path in tracked()
        for host in hosts
        if host in path.read_bytes()
    ]
    assert found == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {hit.group().decode().strip()}"
        for path in tracked()
        for hit in MACHINE_PATH.finditer(path.read_bytes())
    ]
    assert found == []


# --- What a newcomer is told ------------------------------------------------------------------------------------------


def test_the_readme_has_the_one_line_of_prerequisites() -> None:
    """CI and `make test-fresh` run this line, so it is right as long as it is found."""
    assert run("tools/prerequisites") == "apt-get install -y make git ca-certificates python3\n"


@pytest.mark.parametrize("target", ["image", "image-ovs", "release"])
def test_an_image_is_built_on_a_node_without_packages_that_are_in_its_way(target: str, tmp_path: Path) -> None:
    """Where setup installs Open vSwitch or containerd, it disables the service of that name, which may be the node's."""
    commands = run("make", "--dry-run", target).splitlines()
    assert [line for line in commands if line.startswith("tools/setup")] == ["tools/setup image"]
    for name in ("tools", *MEMBERS, "pyproject.toml", *(path.name for path in ROOT.glob("requirements*.txt"))):
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).symlink_to(ROOT / name)
    # Nothing is installed there, and its user may not change that: the answer is what root would install.
    for name, answer in (("dpkg-query", "exit 1"), ("id", "echo 1000")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", ". tools/setup image", "tools/setup"],
        cwd=tmp_path / "clone",
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "setup: installing Debian packages needs root: apt-get install python3-venv debootstrap\n"


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    assert set(re.findall(r"^  make (\S+)  ", run("make", "--no-print-directory", "help"), re.MULTILINE)) == targets
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert set(phony.split()) == targets
