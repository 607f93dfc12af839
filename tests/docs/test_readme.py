"""What README.md promises: its commands run, its links lead to every page. And the pages that took over parts of it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from secnet_conformance.needs import requires_link_kind
from secnet_testing.node_inspection import only_one

ROOT = Path(__file__).resolve().parents[2]
PREREQUISITES = "apt-get install -y make git ca-certificates python3"


def test_the_prerequisites_are_one_line_in_a_block_of_its_own(readme: Any) -> None:
    assert readme.text.count("apt-get install") == 1
    assert [block.text for block in readme.blocks if "apt-get install" in block.text] == [f"{PREREQUISITES}\n"]


def test_the_two_commands_stand_in_the_readme(readme: Any) -> None:
    assert "make demo\nmake test\n" in [block.text for block in readme.blocks]


def test_every_page_of_docs_is_linked(readme: Any, documents: Any) -> None:
    pages = {
        document.name for document in documents if re.fullmatch(r"docs/([\w-]+|decisions/README)\.md", document.name)
    }
    assert pages - set(re.findall(r"\]\((docs/[\w/-]+\.md)", readme.prose)) == set()


@pytest.mark.ovs
def test_the_commands_without_a_cluster_run(readme: Any) -> None:
    """All of the block, in its order and in one shell that stops at the first failure."""
    requires_link_kind("veth")
    (block,) = [block.text for block in readme.blocks if "examples/demo/run up" in block.text]
    run = ROOT / "examples" / "demo" / "run"
    with only_one("demo"):  # its namespaces have fixed names
        try:
            done = subprocess.run(
                ["bash", "-ec", block], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
            )
        finally:
            if Path("/run/secnet-demo").exists():
                subprocess.run([run, "down"], capture_output=True, timeout=60, check=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bridge br-secondary" in done.stdout
    assert "WRONG" not in done.stdout
    assert not [name for name in os.listdir("/run/netns") if name.startswith("sn-demo-")]


def test_the_command_for_a_driver_of_your_own_runs(readme: Any, tmp_path: Path) -> None:
    (line,) = [block.text for block in readme.blocks if " new-driver " in block.text]
    folder = shlex.split(line)[-1]
    done = subprocess.run(
        ["bash", "-ec", line.replace(folder, str(tmp_path / "it"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "it" / "pyproject.toml").is_file()


def test_the_commands_for_a_cluster_are_those_of_the_quick_start(readme: Any, page: Any) -> None:
    """Which tests/kubernetes runs."""
    (block,) = [block.text for block in readme.blocks if "kubectl apply -k" in block.text]
    run = [line for block in page("docs/quickstart.md").blocks for line in block.text.splitlines()]
    assert [line for line in run if line in block.splitlines()] == block.splitlines()


def test_no_other_command_stands_in_the_readme(readme: Any) -> None:
    """One that no test above, or of the demo and the fresh machine, runs."""
    tested = ("apt-get install", "make demo", "kubectl apply -k", "examples/demo/run up", " new-driver ")
    shown = [block.text for block in readme.blocks if block.language in ("sh", "bash", "console", "")]
    assert [text for text in shown if not any(words in text for words in tested)] == []
    assert len(shown) == len(tested)


# --- What moved from the README into pages ----------------------------------------------------------------------------


def test_make_help_is_pasted_as_it_is(page: Any) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout in [block.text for block in page("docs/development.md").blocks]


def test_the_paste_of_the_demo_tells_what_the_demo_does(page: Any) -> None:
    """Every step and expectation of the script stands in the paste, and nothing in it went wrong."""
    script = (ROOT / "examples" / "demo" / "run").read_text(encoding="utf-8")
    (paste,) = [block.text for block in page("docs/demo.md").blocks if block.language == "text"]
    for words in re.findall(r'^ *say "([^"$]+)"', script, re.MULTILINE):
        assert f"== {words}\n" in paste
    wanted = re.findall(r"^ *expect (talks|silence) sn-demo-(\w+) (\w+) sn-demo-(\w+) ", script, re.MULTILINE)
    shown = re.findall(r"^(\w+) +(\w+) +-> (\w+) +\S+ +(talks|silence) +ok$", paste, re.MULTILINE)
    assert [(word, source, via, target) for source, via, target, word in shown] == wanted
    assert "WRONG" not in paste


def test_every_distribution_stands_in_the_table_of_folders(page: Any) -> None:
    for project in [ROOT / "core", ROOT / "ipam", *sorted((ROOT / "drivers").iterdir())]:
        name = re.search(r'^name = "(.+)"$', (project / "pyproject.toml").read_text(), re.MULTILINE)
        assert name is not None
        row = rf"^\| `{project.relative_to(ROOT)}/` \| `{name[1]}`.* \|$"
        assert re.search(row, page("docs/development.md").text, re.MULTILINE)


def test_python_blocks_compile(documents: Any) -> None:
    blocks = [(document.name, block) for document in documents for block in document.blocks]
    python = [(name, block) for name, block in blocks if block.language == "python"]
    assert python
    for name, block in python:
        compile("\n" * (block.line - 1) + textwrap.dedent(block.text), name, "exec")  # a method may stand alone
