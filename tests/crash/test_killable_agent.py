"""The entry point that records and kills: points are counted as the crash tests name them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import secnet_testing
from secnet_conformance.steps import ANY, StepPoint
from secnet_testing.killable_agent import RecordedStep, kill_points, read_steps

_ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(secnet_testing.__file__).parents[1])}
STEPS = """
    from pathlib import Path
    from secnet.contract import Call
    from secnet_testing.killable_agent import StepPoint, killer, obedient, recorder
    mode, argument, file = {arguments!r}
    observer = {{
        "record": lambda: recorder(Path(file)),
        "kill": lambda: killer(StepPoint.parse(argument), Path(file)),
        "obey": lambda: obedient(Path(file + ".order"), Path(file)),
    }}[mode]()
    call = Call(observers=(observer,))
    for name in "aba":
        with call.step(name, at=name):
            if name == "b" and mode == "obey":
                Path(file + ".order").write_text(argument)
    try:
        with call.step("b"):
            raise ValueError
    except ValueError:
        pass
    with call.step("outer"):
        with call.step("b"):
            pass
"""


def _run(mode: str, argument: str, file: Path) -> int:
    script = textwrap.dedent(STEPS.format(arguments=(mode, argument, str(file))))
    return subprocess.run([sys.executable, "-c", script], env=_ENVIRONMENT, check=False).returncode


def test_steps_are_recorded_when_they_are_done(tmp_path: Path) -> None:
    assert _run("record", "", tmp_path / "steps") == 0
    steps = read_steps(tmp_path / "steps")
    assert [(step.name, step.number) for step in steps] == [("a", 1), ("b", 1), ("a", 2), ("b", 3), ("outer", 1)]
    assert steps[0] == RecordedStep(name="a", number=1, facts={"at": "a"})


@pytest.mark.parametrize("text", ["a#1:before", "a#2:after", "b#3:before", "outer#1:after", f"{ANY}#6:before"])
def test_it_dies_at_the_point_and_says_so_before(tmp_path: Path, text: str) -> None:
    assert _run("kill", text, tmp_path / "marker") == -signal.SIGKILL
    assert (tmp_path / "marker").read_text() == text


@pytest.mark.parametrize("text", ["b#2:after", "a#3:before", "c#1:before", f"{ANY}#7:before"])
def test_it_lives_when_the_point_is_not_reached(tmp_path: Path, text: str) -> None:
    assert _run("kill", text, tmp_path / "marker") == 0
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(("text", "code"), [("a#1:before", -9), ("b#1:after", 0), ("b#2:after", -9), ("a#2:before", 0)])
def test_an_order_counts_from_when_it_is_given(tmp_path: Path, text: str, code: int) -> None:
    """It is given inside of the first b."""
    assert _run("obey", text, tmp_path / "marker") == code
    assert (tmp_path / "marker").exists() == (code != 0)


def test_there_are_two_points_a_step() -> None:
    steps = [RecordedStep(name="a", number=1, facts={}), RecordedStep(name="a", number=2, facts={})]
    assert [str(point) for point in kill_points(steps)] == ["a#1:before", "a#1:after", "a#2:before", "a#2:after"]


@pytest.mark.parametrize("text", ["a#1", "a#1:later", "#1:before", "a#x:before"])
def test_a_point_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME#NUMBER|invalid literal"):
        StepPoint.parse(text)


def test_only_the_agent_is_run(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "secnet_testing.killable_agent", "record", str(tmp_path / "steps"), "drivers"]
    done = subprocess.run(argv, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "only the agent takes observers" in done.stderr
