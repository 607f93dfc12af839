"""The demo that `make demo` runs: it proves what it says, notices when it is not so, and leaves nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from secnet_conformance.needs import requires_command, requires_link_kind
from secnet_testing.netns import run_in
from secnet_testing.node import OVS_COMMANDS
from secnet_testing.node_inspection import only_one

pytestmark = pytest.mark.ovs

ROOT = Path(__file__).parents[2]
RUN = ROOT / "examples" / "demo" / "run"
DRAWING = ROOT / "docs" / "pictures" / "node.svg"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the demo; whatever a failed test left is taken away."""
    requires_link_kind("veth")
    requires_command("ip", "nsenter", "ping", *OVS_COMMANDS)
    environment = os.environ | {
        "SECNET": str(Path(sys.executable).with_name("secnet")),
        "SECNET_DEMO_DIR": "/run/secnet-demo-test",
    }
    with only_one("demo"):  # its namespaces have fixed names
        try:
            yield environment
        finally:
            if os.path.exists("/run/secnet-demo-test"):
                _run(environment, "down")


def _run(environment: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUN, *args], env=environment, capture_output=True, text=True, timeout=120, check=False)


def _left() -> list[str]:
    links = run_in(None, ["ip", "-o", "link"]).splitlines()
    return [
        *(name for name in os.listdir("/run/netns") if name.startswith("sn-demo-")),
        *(name for name in ("/run/secnet-demo-test",) if os.path.exists(name)),
        *(line for line in links if "ovs" in line or "br-secondary" in line),
    ]


def test_it_proves_what_it_says_and_leaves_nothing(demo: dict[str, str]) -> None:
    before = run_in(None, ["ip", "-o", "link"])
    done = _run(demo)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("10.10.0.", "fd00:10::", "02:00:00:00:01:00", "networks/vlan200", "eth200"):
        assert line in done.stdout
    assert "WRONG" not in done.stdout
    assert done.stdout.count(" talks ") >= 5
    assert _left() == []
    assert run_in(None, ["ip", "-o", "link"]) == before


def test_the_drawing_in_the_documentation_is_of_this_demo(demo: dict[str, str], tmp_path: Path) -> None:
    """But for the addresses, which Pods take in the order in which they come."""

    def masked(file: Path) -> str:
        return re.sub(r"\b(10\.10\.0\.|fd00:10::)\w+/\d+", "ADDRESS", file.read_text())

    done = _run(demo, "draw", str(tmp_path / "node.svg"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert _left() == []
    assert "ADDRESS" in masked(DRAWING)
    assert masked(tmp_path / "node.svg") == masked(DRAWING), "draw it again: make docs"


def test_it_fails_when_a_tag_was_altered(demo: dict[str, str]) -> None:
    assert _run(demo, "up").returncode == 0
    database = f"unix:{demo['SECNET_DEMO_DIR']}/ovs/db.sock"
    port = run_in(
        None, ["ovs-vsctl", f"--db={database}", "--bare", "--columns=name", "find", "Port", "tag=100"]
    ).split()[0]
    run_in(None, ["ovs-vsctl", f"--db={database}", "set", "Port", port, "tag=200"])
    proved = _run(demo, "prove")
    assert proved.returncode != 0
    assert "WRONG" in proved.stdout
    assert _run(demo, "down").returncode == 0
    assert _left() == []


def test_a_second_demo_does_not_touch_the_first(demo: dict[str, str]) -> None:
    os.makedirs(demo["SECNET_DEMO_DIR"])
    try:
        done = _run(demo)
        assert done.returncode == 1
        assert "is up already" in done.stderr
        assert os.path.exists(demo["SECNET_DEMO_DIR"])
    finally:
        os.rmdir(demo["SECNET_DEMO_DIR"])
