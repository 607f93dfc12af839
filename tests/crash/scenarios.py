"""What an agent is doing when it dies. A scenario is a change from one known state of the node to another, and back.

A clean run of the change records its steps and takes a picture of both states. Each case then does the same change with an
agent that kills itself at one point, starts a plain agent, and compares with the picture of the clean run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_conformance.steps import StepPoint
from secnet_testing import node_snapshot
from secnet_testing.killable_agent import RecordedStep, program, read_steps
from secnet_testing.netns import run_in

from .scene import POD, Scene, wait_equal

__all__ = ["SCENARIOS", "Attach", "Delete", "Detach", "NodeDown", "NodeUp", "Recover", "Repair", "Scenario"]

_DEATH_SECONDS = 30.0
SIGKILLED = -9


class Scenario(ABC):
    """One change, on one scene. `dry_run` first, then any number of `case`s, each of which ends where it began.

    agent_runs_before: whether the agent that makes the change runs already, or finds it at its start.
    """

    name: str
    agent_runs_before = True

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.node = scene.node
        self.steps: list[RecordedStep] = []
        self._before: HostSnapshot | None = None
        self._after: HostSnapshot | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Bring the scene to the state before, no agent runs at the end; called once."""

    @abstractmethod
    def change(self) -> None:
        """What sets off the change."""

    @abstractmethod
    def wait_changed(self) -> None:
        """Wait until the running agent made the change."""

    @abstractmethod
    def change_back(self) -> None:
        """The opposite of `change`, beside a running agent, up to its end."""

    def dry_run(self) -> None:
        """The clean run: change and change back, recording the steps of the change. It must itself leave all as it was."""
        self.prepare()
        pristine = node_snapshot.take_settled(self.node)
        # The second time counts: the first leaves a trace that stays, the emptied status of a pool.
        for name in ("first", "second"):
            record = self.node.folder / f"steps-{self.name}-{name}"
            self._before = node_snapshot.take_settled(self.node)
            if self.agent_runs_before:
                self.node.agent(program=program("record", record))
                self.change()
            else:
                self.change()
                self.node.agent(program=program("record", record))
            self.wait_changed()
            self._after = node_snapshot.take_settled(self.node)
            self.steps = read_steps(record)
            self.change_back()
            self.node.stop()
        assert self.steps, f"{self.name}: no step was recorded"
        assert self._before is not None
        lines = diff(pristine, self._before) + wait_equal(self.node, self._before)
        assert [line for line in lines if not line.startswith("+ pools > ")] == [], "\n".join(lines)

    def case(self, point: StepPoint) -> list[str]:
        """Die at the point, start again, compare; returns what is wrong."""
        return [*self._die(point), *self._recover(), *self._return()]

    def _die(self, point: StepPoint) -> Iterator[str]:
        marker, order = self.node.folder / "marker", self.node.folder / "order"
        marker.unlink(missing_ok=True)
        if self.agent_runs_before:
            if not self.node.agents[-1].running:
                self._start_obedient()
            order.write_text(str(point), encoding="utf-8")
            self.change()
        else:
            self.change()
            self.node.agent(program=program("kill", point, marker), ready=False)
        code = self.node.agents[-1].wait_end(_DEATH_SECONDS)
        order.unlink(missing_ok=True)
        reached = marker.read_text(encoding="utf-8") if marker.exists() else "nothing"
        if code != SIGKILLED or reached != str(point):
            yield f"the agent ended with {code} after it reached {reached}"

    def _start_obedient(self) -> None:
        """The agent that puts things right is the next to die: until then it has an observer that does nothing."""
        self.node.agent(program=program("obey", self.node.folder / "order", self.node.folder / "marker"))

    def _recover(self) -> Iterator[str]:
        assert self._after is not None
        if self.agent_runs_before:
            self._start_obedient()
        else:
            self.node.agent()
        self.wait_changed()
        yield from (f"after the restart: {line}" for line in wait_equal(self.node, self._after))

    def _return(self) -> Iterator[str]:
        assert self._before is not None
        self.change_back()
        yield from (f"after the way back: {line}" for line in wait_equal(self.node, self._before))
        if not self.agent_runs_before:
            self.node.stop()


class Attach(Scenario):
    """The annotation appears."""

    name = "attach"

    def prepare(self) -> None:
        self.scene.detach()
        self.node.agent()
        self.scene.wait_detached()
        self.node.stop()

    def change(self) -> None:
        self.scene.attach()

    def wait_changed(self) -> None:
        self.scene.wait_attached()

    def change_back(self) -> None:
        self.scene.detach()
        self.scene.wait_detached()


class Detach(Scenario):
    """The annotation disappears."""

    name = "detach"

    def prepare(self) -> None:
        self.scene.attach()
        self.node.agent()
        self.scene.wait_attached()
        self.node.stop()

    def change(self) -> None:
        self.scene.detach()

    def wait_changed(self) -> None:
        self.scene.wait_detached()

    def change_back(self) -> None:
        self.scene.attach()
        self.scene.wait_attached()


class Delete(Detach):
    """The Pod is deleted while its namespace lives on."""

    name = "delete"

    def change(self) -> None:
        self._put_back = self.scene.remember_pod()
        self.scene.delete()

    def change_back(self) -> None:
        self._put_back()
        self.scene.wait_attached()


class Recover(Attach):
    """The agent puts right what an earlier one left half-built, and dies while doing so."""

    name = "recover"
    agent_runs_before = False
    _first = StepPoint(name="port.add", number=2, moment="after")

    def change(self) -> None:
        super().change()
        marker = self.node.folder / "first-marker"
        first = self.node.agent(program=program("kill", self._first, marker), ready=False)
        assert first.wait_end(_DEATH_SECONDS) == SIGKILLED


class Repair(Detach):
    """The agent finds a lost link with its port in place, which it makes again with all that stands on it."""

    name = "repair"
    agent_runs_before = False

    def change(self) -> None:
        run_in(
            self.node.pod(POD), ["ip", "link", "del", "net2"], check=False
        )  # a repair that was killed may not have it

    def wait_changed(self) -> None:
        self.scene.wait_attached()

    def change_back(self) -> None:
        """What was repaired is as before."""


class NodeUp(Scenario):
    """The agent starts on a node whose configuration names bridges and uplinks that the switch does not have yet."""

    name = "node up"
    agent_runs_before = False
    _small: tuple[dict[str, object], ...] = ({"bridgeName": "br-secondary"},)
    _large: tuple[dict[str, object], ...] = (
        {"bridgeName": "br-secondary", "physicalInterfaces": ["up0"], "enableMulticastSnooping": True},
        {"bridgeName": "br-third", "physicalInterfaces": ["up1"]},
    )

    def prepare(self) -> None:
        for index in range(2):
            command = f"ip link add up{index} type veth peer name far{index}"
            run_in(self.node.namespace, command.split())
        # One uplink is up already: it must be left up when it is given back.
        run_in(self.node.namespace, ["ip", "link", "set", "up1", "up"])
        self._run(self._small)

    def _run(self, bridges: tuple[dict[str, object], ...]) -> None:
        self.scene.configure(ovsBridges=list(bridges))
        self.node.agent()
        self.node.stop()

    def change(self) -> None:
        self.scene.configure(ovsBridges=list(self._large))

    def wait_changed(self) -> None:
        self.node.agents[-1].wait_started()

    def change_back(self) -> None:
        self.node.stop()
        self._run(self._small)


class NodeDown(NodeUp):
    """The agent starts on a node whose configuration no longer names bridges and uplinks that it made."""

    name = "node down"
    _small, _large = NodeUp._large, NodeUp._small


SCENARIOS: tuple[type[Scenario], ...] = (Attach, Detach, Delete, Recover, Repair, NodeUp, NodeDown)
