"""`.ci/run`: its steps, and what happens to one that fails or takes longer than its share. The clock and make are played."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = (ROOT / ".ci" / "run").read_text()
STEPS = re.findall(r"^step (\w+) make (.+)$", SCRIPT, re.MULTILINE)
SHARES = {name: int(seconds) for name, seconds in re.findall(r"\[(\w+)\]=(\d+)", SCRIPT)}

# A step takes the seconds that the file of its make target names. Real steps take minutes, and no test may wait for them.
MAKE = """#!/bin/sh
cd {folder}
echo "$*" >> made
echo $(($(cat clock) + $(cat "takes $*" 2>/dev/null || echo 1))) > clock
[ ! -e "fails $*" ]
"""


class Ci:
    """A copy of the script, with a make and a clock of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "tools").mkdir()
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
        (folder / "clock").write_text("1000\n")
        self._program("tools/prerequisites", "#!/bin/sh\necho apt-get install -y bash\n")
        self._program("bin/date", f"#!/bin/sh\ncat {folder}/clock\n")
        self._program("bin/make", MAKE.format(folder=folder))

    def _program(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def takes(self, target: str, seconds: int) -> None:
        (self.folder / f"takes {target}").write_text(f"{seconds}\n")

    def fails(self, target: str) -> None:
        (self.folder / f"fails {target}").touch()

    def run(self) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}/bin:/usr/bin:/bin"
        return subprocess.run(
            [self.folder / ".ci" / "run"], env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def made(self) -> list[str]:
        return (self.folder / "made").read_text().splitlines()


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    return Ci(tmp_path)


def test_every_step_has_a_share() -> None:
    assert list(SHARES) == [name for name, _ in STEPS]


def test_each_step_runs_and_its_seconds_are_printed(ci: Ci) -> None:
    ci.takes("lint", 25)
    done = ci.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ci.made == [target for _, target in STEPS]
    shown = dict(re.findall(r"^##### (\w+) took (\d+) s of \d+$", done.stdout, re.MULTILINE))
    assert shown == {name: "25" if name == "lint" else "1" for name, _ in STEPS}
    assert f" {len(STEPS) - 1 + 25} s in all" in done.stdout
    assert "should take" not in done.stdout


def test_a_step_may_take_its_share_and_no_more(ci: Ci) -> None:
    ci.takes("lint", SHARES["lint"])
    assert ci.run().returncode == 0
    ci.takes("lint", SHARES["lint"] + 1)
    done = ci.run()
    assert done.returncode == 1
    assert "CI: lint passed, and took longer than its share" in done.stdout
    assert "CI: FAILED in lint" in done.stdout
    assert ci.made[len(STEPS) :] == ["setup", "lint"]


def test_a_step_that_fails_ends_the_run(ci: Ci) -> None:
    ci.fails("test-kit")
    done = ci.run()
    assert done.returncode != 0
    assert (
        "CI: FAILED in kit, 4 s after the start. Passed before: setup in 1 s, lint in 1 s, test in 1 s," in done.stdout
    )
    assert ci.made[-1] == "test-kit"


def test_a_run_that_is_slow_as_a_whole_says_so(ci: Ci) -> None:
    for name, target in STEPS:
        ci.takes(target, SHARES[name] * 2 // 3)
    done = ci.run()
    assert done.returncode == 0
    assert re.search(r"^CI: all steps took \d+ s, and should take 4100", done.stdout, re.MULTILINE)


def test_all_steps_together_have_a_limit(ci: Ci) -> None:
    """Each within its share, and yet too long."""
    for name, target in STEPS:
        ci.takes(target, SHARES[name])
    done = ci.run()
    assert done.returncode == 1
    assert "CI: FAILED in all steps together" in done.stdout
