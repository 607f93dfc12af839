"""The tier's own machinery: what a guest does and how it ends, and that a test which fails inside fails outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from secnet_testing.vm import Guest, GuestFailed, Hardware, Image
from secnet_testing.vm.machine import TimeIsUp
from secnet_testing.vm.nic import wait_until

# Boot, commands and shutdown take some seconds; that a machine is busy is no failure.
SECONDS = 120
SUPPORT = Path(__file__).resolve().parents[1] / "support"


def _gone(pid: int) -> bool:
    """Whether a process ended, noticed by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


@pytest.mark.smoke
def test_a_command_has_the_machines_files_and_its_exit_code_comes_out(vm_image: Image, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside\n")
    script = "cat in; echo changed > in; echo kept > /out/kept; exit 7"
    with Guest(vm_image, ["sh", "-c", script], hardware=Hardware(functions=0), folder=tmp_path) as guest:
        assert guest.wait(SECONDS) == 7
        assert guest.output == "from outside\n"
        assert (guest.out / "kept").read_text() == "kept\n"
        out = guest.out
    assert (tmp_path / "in").read_text() == "from outside\n"
    assert not out.exists()


def test_a_guest_whose_time_is_up_is_ended(vm_image: Image) -> None:
    with Guest(vm_image, ["sleep", "1000"], hardware=Hardware(functions=0)) as guest:
        with pytest.raises(TimeIsUp, match=r"still running after 0\.5 s"):
            guest.wait(0.5)
        assert not guest.running
        assert _gone(guest.pid)


def test_a_guest_that_cannot_boot_shows_its_console(vm_image: Image) -> None:
    too_small = Hardware(functions=0, memory=64)
    console = r"(?s)ended before its command did.*--- console\n.*[Pp]anic"
    with Guest(vm_image, ["true"], hardware=too_small) as guest, pytest.raises(GuestFailed, match=console):
        guest.wait(SECONDS)


def test_a_guest_ends_with_the_process_that_began_it(vm_image: Image) -> None:
    code = (
        "from secnet_testing.vm import Guest, prepare\n"
        "guest = Guest(prepare(), ['sleep', '1000'])\n"
        "print(guest.pid, guest.out, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    done = _python("-c", code)
    assert done.returncode == -9, done.stderr
    pid, out = done.stdout.split()
    try:
        wait_until(lambda: _gone(int(pid)), "QEMU is gone")
    finally:
        shutil.rmtree(out)


def test_run_from_the_command_line(vm_image: Image) -> None:
    done = _python(
        "-m",
        "secnet_testing.vm",
        "run",
        "--functions",
        "1",
        "--",
        "sh",
        "-c",
        "ls /sys/bus/pci/devices; exit 3",
    )
    assert done.returncode == 3, done.stderr
    assert "01:00.0" in done.stdout


INNER = """
    import os
    import pytest

    pytestmark = [pytest.mark.vm, pytest.mark.vm_guest(functions=0, preload=False)]

    def test_passes():
        assert os.uname().nodename == "guest"

    def test_fails():
        print("what it printed")
        assert os.uname().nodename == "outside"

    def test_skips():
        pytest.skip("lacks a reason")

    @pytest.mark.xfail(reason="known", strict=True)
    def test_fails_as_expected():
        assert False

    @pytest.mark.xfail(reason="known", strict=True)
    def test_passes_unexpectedly():
        pass

    @pytest.mark.skipif("os.uname().nodename != 'guest'")
    def test_only_here():
        pass

    @pytest.fixture
    def dirty():
        yield
        raise RuntimeError("not cleaned up")

    def test_leaves_dirt(dirty):
        pass

    def test_ends_the_guest():
        with open("/proc/sysrq-trigger", "w") as file:
            file.write("o")
        import time
        time.sleep(60)

    @pytest.mark.parametrize("number", [1, 2])
    def test_after_it(number):
        assert number
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of its own with tests for a guest."""
    markers = "".join(f"    {name}\n" for name in ("unit", "vm", "vm_guest"))
    pytester.makeini(f"[pytest]\nmarkers =\n{markers}")
    pytester.makeconftest("pytest_plugins = ['tiers', 'secnet_testing.vm.remote']")
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    return pytester


@pytest.mark.usefixtures("vm_image")
def test_each_outcome_inside_is_the_outcome_outside(project: pytest.Pytester) -> None:
    project.makepyfile(test_inner=INNER)
    result = project.runpytest_subprocess("-rA", "--promise=vm", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=4, failed=5, xfailed=1)
    result.stdout.fnmatch_lines_random(
        [
            "*assert 'guest' == 'outside'*",
            "*what it printed*",
            "promise broken: *test_skips: promised tier vm: Skipped: lacks a reason",
            "*RuntimeError: not cleaned up*",
            "*the guest ended before this test did*",
            "PASSED test_inner.py::test_passes",
            "PASSED test_inner.py::test_after_it?2?",
        ]
    )
    assert result.ret == 1


def _python(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    return subprocess.run(
        [sys.executable, *argv], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
