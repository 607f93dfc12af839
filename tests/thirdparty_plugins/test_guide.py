"""docs/writing-a-driver.md, done as it is written: its blocks in their order, in an environment without this tree.

What the guide's fences say: `title="FILE"` is the content of a file, with `append` more of it; `sh` is run, in one shell from
the first to the last; `exit=1` is the exit status that is right; `setup` makes the environment, which the tests make faster;
a `sketch` is no part of the example and has a test of its own. A `text` block is what the commands before it print: its
lines in their order, other lines between them, spaces at will, and `...` for anything.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import re
import shlex
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import secnet.contract as contract
from secnet.linux import events, nodelinks, rtnl, sysctl
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing.documents import ROOT, Block, read_document
from secnet_testing.netns import Namespace, run_in
from secnet_testing.node_inspection import only_one

from .conftest import CleanVenv

pytestmark = pytest.mark.thirdparty

LEFT_BEHIND = ("/run/netns/sn-guide-a", "/run/netns/sn-guide-b", "/run/secnet-guide")
GUIDE = read_document(ROOT / "docs" / "writing-a-driver.md")
AFTER_SETUP = [block for block in GUIDE.blocks if not {"setup", "sketch"} & set(block.info)]


class Reader:
    """Somebody who does what the guide says. One shell: its folder and its exported variables last from block to block."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self._home = home
        self._environment = environment | {"HOME": str(home)}
        self._state = home / ".shell-state"
        self._state.write_text(f"cd {shlex.quote(str(home))}\n")
        self.output = ""

    def follow(self, block: Block) -> None:
        """Do one block."""
        if "title" in block.info:
            self._write(block)
        elif block.language == "sh":
            self.run(block.text, int(block.info.get("exit", 0)), f"{GUIDE.name}:{block.line}")
        elif block.language == "text":
            missing = first_missing(block.text, self.output)
            assert missing is None, f"{GUIDE.name}:{block.line}: {missing!r} is not in\n{self.output}"
        else:
            raise AssertionError(f"{GUIDE.name}:{block.line}: nothing says what is to be done with this block")

    def run(self, commands: str, status: int = 0, where: str = "") -> None:
        """Run commands in the shell."""
        keep = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > {shlex.quote(str(self._state))}"
        done = subprocess.run(
            [
                "bash",
                "-c",
                f". {shlex.quote(str(self._state))}\nset -eo pipefail\ntrap {shlex.quote(keep)} EXIT\n{commands}",
            ],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        self.output = done.stdout
        assert done.returncode == status, f"{where}: exit status {done.returncode}\n{commands}\n{done.stdout}"

    def _write(self, block: Block) -> None:
        folder = re.findall(r"^cd (.*)$", self._state.read_text(), re.MULTILINE)[-1]
        file = Path(shlex.split(folder)[0]) / block.info["title"]
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text() if "append" in block.info else ""
        file.write_text(before + block.text)


def first_missing(wanted: str, output: str) -> str | None:
    """The first line of `wanted` that does not come, in its turn, in `output`; None if all do."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for line in filter(None, (" ".join(line.split()) for line in wanted.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("..."))))
        if not any(pattern.search(said) for said in lines):
            return line
    return None


@pytest.fixture
def alone(node_netns: Namespace) -> Iterator[Namespace]:
    """A node for the reader; the guide's Pods have fixed names, so one reader at a time. What a failure left is removed."""
    requires_link_kind("veth", "bridge")
    with only_one("guide"):
        try:
            yield node_netns
        finally:
            for name in ("sn-guide-a", "sn-guide-b"):
                if Path("/run/netns", name).exists():
                    subprocess.run(["ip", "netns", "del", name], check=True)
            subprocess.run(["rm", "-rf", "/run/secnet-guide"], check=True)


def _picture() -> HostSnapshot:
    """The host as it is now, without the names in /run/netns: other tests make some there."""
    return HostSnapshot.take(netns_dir=Path("/nonexistent"))


def _follow(reader: Reader, blocks: list[Block]) -> None:
    """The whole guide; afterwards the host looks as before."""
    before = _picture()
    for block in blocks:
        reader.follow(block)
    assert diff(before, _picture()) == []
    assert [name for name in LEFT_BEHIND if Path(name).exists()] == []


@pytest.mark.timeout(1200)
def test_the_guide_leads_to_a_driver_that_works(alone: Namespace, tmp_path: Path) -> None:
    venv = CleanVenv(tmp_path / "venv")  # not the shared one: the reader installs into it by himself
    venv.make()
    assert venv.run("python", "-m", "ensurepip", "--default-pip").returncode == 0
    reader = Reader(tmp_path, venv.environment)
    reader.run(f". {venv.bin}/activate\nexport WHEELS={venv.wheels} SECNET={ROOT}")
    _follow(reader, AFTER_SETUP)


@pytest.fixture
def from_nothing(tmp_path: Path) -> Reader:
    """A reader who has made the environment as the guide says: from an index, so before any node's namespace is entered."""
    reader = Reader(tmp_path, CleanVenv(tmp_path / "none").environment | {"PATH": os.environ["PATH"]})
    reader.run(f"cd {ROOT}")
    for block in GUIDE.blocks:
        if "setup" in block.info:
            reader.follow(block)
    return reader


@pytest.mark.fresh
@pytest.mark.timeout(1800)
def test_the_guide_begins_with_an_empty_environment(from_nothing: Reader, alone: Namespace) -> None:
    """The same with the first section, which takes the third-party packages from an index."""
    _follow(from_nothing, AFTER_SETUP)


class Steps:
    """Names of the steps, and at each what a person would look at."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.silent_at_up: bool | None = None

    def before(self, name: str, facts: Mapping[str, Any]) -> None:
        """Nothing goes up that speaks."""
        self.names.append(name)
        if name == "bridge.up":
            self.silent_at_up = sysctl.read(f"ipv6/conf/{facts['host']}/disable_ipv6") == "1"

    def after(self, name: str, facts: Mapping[str, Any], seconds: float) -> None:
        """Nothing to note."""


@pytest.fixture
def sketch(node_netns: Namespace, tmp_path: Path) -> Any:
    """The driver of the guide's sketches, in a node of its own."""
    blocks = [block for block in GUIDE.blocks if "sketch" in block.info]
    modules = (contract, nodelinks, events, rtnl)
    known: dict[str, Any] = {name: value for module in modules for name, value in vars(module).items()}
    known |= {"NETWORK_TYPE": "mine", "Mapping": Mapping, "Callable": Callable}
    source = "class Sketch:\n" + "\n".join(textwrap.indent(block.text, "    ") for block in blocks)
    exec(compile(source, f"{GUIDE.name}:{blocks[0].line}", "exec"), known)
    driver = known["Sketch"]()
    driver.host = contract.HostContext(node_name="n", run_dir=tmp_path)
    return driver


def test_the_sketch_of_node_state_makes_a_bridge_and_leaves_a_foreign_one(sketch: Any) -> None:
    steps = Steps()
    assert sketch.reconcile_node({"bridge": "br-mine"}, contract.Call(observers=(steps,))).ready
    assert (steps.names, steps.silent_at_up) == (
        ["bridge.create", "bridge.mark", "bridge.silence", "bridge.up"],
        True,
    )
    made = _picture()
    assert sketch.reconcile_node({"bridge": "br-mine"}, contract.Call()).ready
    assert diff(made, _picture()) == []
    run_in(None, ["ip", "link", "add", "br-theirs", "type", "bridge"])
    run_in(None, ["ip", "link", "del", "br-mine"])
    before = _picture()
    (finding,) = sketch.reconcile_node({"bridge": "br-theirs"}, contract.Call()).findings
    assert finding.code == "ForeignLink"
    assert diff(before, _picture()) == []


@pytest.mark.parametrize("section", [{}, {"bridge": "br-new"}])
def test_the_sketch_of_node_state_takes_away_what_is_configured_no_longer(
    sketch: Any, section: Mapping[str, str]
) -> None:
    assert sketch.reconcile_node(section, contract.Call()).ready
    assert sketch.reconcile_node({"bridge": "br-old"}, contract.Call()).ready
    run_in(None, ["ip", "link", "add", "pod0", "master", "br-old", "type", "veth", "peer", "name", "pod1"])
    (finding,) = sketch.reconcile_node(section, contract.Call()).findings
    assert finding.code == "LinkInUse"
    run_in(None, ["ip", "link", "del", "pod0"])
    assert sketch.reconcile_node(section, contract.Call()).ready
    assert [name for name in _links() if name.startswith("br-")] == [*section.values()]


def test_the_sketch_of_node_state_can_be_torn_down(sketch: Any) -> None:
    before = _picture()
    assert sketch.reconcile_node({"bridge": "br-mine"}, contract.Call()).ready
    sketch.teardown_node(contract.Call())
    assert diff(before, _picture()) == []


def test_the_sketch_sees_its_bridge_and_is_reported_its_events(sketch: Any) -> None:
    assert sketch.observe_node(contract.Call()).components == ()
    sketch.host = dataclasses.replace(sketch.host, config={"bridge": "br-mine"})
    (missing,) = sketch.observe_node(contract.Call()).components
    assert missing.state is contract.ComponentState.DOWN
    notified: queue.Queue[None] = queue.Queue()
    cancel = threading.Event()

    def watch() -> None:
        with suppress(contract.Cancelled):
            sketch.watch_node(lambda: notified.put(None), contract.Call(cancel=cancel))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        notified.get(timeout=10)  # it has begun
        assert sketch.reconcile_node({"bridge": "br-mine"}, contract.Call()).ready
        notified.get(timeout=10)
    finally:
        cancel.set()
        thread.join(10)
    (there,) = sketch.observe_node(contract.Call()).components
    assert there.state is contract.ComponentState.UP


def _links() -> list[str]:
    with rtnl.host_rtnl() as host:
        return [link.name for link in host.links()]


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ("a b\nc d", None),
        ("a\nd", None),
        ("c d\na b", "a b"),
        ("a ... z", "a ... z"),
        ("a ... b", "a ... b"),
        ("x", "x"),
    ],
)
def test_what_is_not_printed_is_missed(wanted: str, missing: str | None) -> None:
    assert first_missing(wanted, "a   b\nother\nc  d\n") == missing
