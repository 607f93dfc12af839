"""The command line as a process: what becomes of its output, and of its exit status, when stdout fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from secnet.agent.cli.program import main
from secnet.agent.plugins.commands import PluginCommands

SECNET = Path(sys.executable).with_name("secnet")


def _run(command: str) -> subprocess.CompletedProcess[str]:
    """In a shell, for its redirections; `$0` is the program."""
    return subprocess.run(["sh", "-c", command, SECNET], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", ["drivers", "drivers vlan --json", "--help", "--version"])
def test_a_full_device_is_one_line_and_a_failure(arguments: str) -> None:
    done = _run(f'"$0" {arguments} > /dev/full')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "secnet: the output cannot be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_a_reader_that_left_is_no_failure() -> None:
    done = _run('{ "$0" drivers; echo "status $?" >&2; } | true')
    assert [line for line in done.stderr.splitlines() if not line.startswith("secnet: driver")] in (
        ["status 1"],
        ["status 0"],  # it was quicker than the reader
    )


def test_a_closed_output_is_silence() -> None:
    done = _run('"$0" drivers --kind ipam >&-')
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_of_the_conformance_kit_without_it_names_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # No environment of the tests lacks the kit.
    monkeypatch.setattr(PluginCommands.__init__, "__defaults__", (lambda group: (),))
    assert main(["new-driver", "my-nic"]) == 1
    assert "install the package secnet-conformance" in capsys.readouterr().err
