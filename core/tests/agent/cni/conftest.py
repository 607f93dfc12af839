"""The plugin, compiled once, and the agent's side of the socket."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet.agent.cni._server import CniServer
from secnet.agent.cni._service import CniService

from .helpers import Plugin, ToyAttacher
from .node_directories import Node

SOURCES = Path(__file__).parents[4] / "deploy/cni"
SHORT = "-DCONNECT_MS=300 -DSILENCE_MS=600 -DTOTAL_MS=5000 -DWAIT_MS=20000 -DWAIT_TOTAL_MS=25000 -DRECENT_S={}"


def build(target: Path, *variables: str) -> Path:
    """Compile the plugin into a directory."""
    for tool in ("make", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}")
    target.mkdir()
    subprocess.run(["make", "-s", "-C", SOURCES, f"OUT={target}", *variables], check=True)
    return target / "secnet-cni"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is shipped."""
    return build(tmp_path_factory.mktemp("snprogram") / "out")


def build_hasty(target: Path, *, recent: int) -> Path:
    """With short limits, under sanitizers, and with `net.d` of the current directory as the runtime's configuration.

    recent: seconds for which a change of that is recent.
    """
    short = SHORT.format(recent)
    flags = f"-g -fsanitize=address,undefined -fno-sanitize-recover=all {short} -DCONFIGURATION_DIRS='\"net.d\"'"
    return build(target, f"CFLAGS={flags}", "LDFLAGS=")


@pytest.fixture(scope="session")
def hasty_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To which no change is recent."""
    return build_hasty(tmp_path_factory.mktemp("snhasty") / "out", recent=0)


@pytest.fixture(scope="session")
def wary_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To which each change of this test run is recent."""
    return build_hasty(tmp_path_factory.mktemp("snwary") / "out", recent=86400)


@pytest.fixture(scope="session")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's reading of JSON, as a program of its own and under sanitizers."""
    target = tmp_path_factory.mktemp("snscan") / "scan"
    flags = ["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [Path(__file__).with_name("scan_main.c"), SOURCES / "annotations.c", SOURCES / "json.c"]
    subprocess.run(["cc", *flags, f"-I{SOURCES}", *sources, "-o", target], check=True)
    return target


@pytest.fixture
def plugin(program: Path, tmp_path: Path) -> Plugin:
    return Plugin(program, tmp_path)


@pytest.fixture
def hasty(hasty_program: Path, tmp_path: Path) -> Plugin:
    return Plugin(hasty_program, tmp_path)


@pytest.fixture
def wary(wary_program: Path, tmp_path: Path) -> Plugin:
    return Plugin(wary_program, tmp_path)


@pytest.fixture
def attacher() -> ToyAttacher:
    return ToyAttacher()


@pytest.fixture
def service(attacher: ToyAttacher, tmp_path: Path) -> CniService:
    return CniService(attacher, ready_timeout=0.2, device_info_dir=tmp_path / "devinfo")


@pytest.fixture
def server(plugin: Plugin, service: CniService) -> Iterator[CniServer]:
    """The real server at the end of the plugin's way to the agent."""
    server = CniServer(plugin.socket, service.answer)
    server.start()
    yield server
    assert server.close()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """The directories of a node's runtime."""
    return Node(tmp_path)
