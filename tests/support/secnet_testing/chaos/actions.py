"""What happens to a world: churn that people and controllers cause, and faults of the machine. Each returns what it did."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..netns import run_in
from .sources import Wanted
from .world import NAMESPACES, NETWORKS, UPLINK, Machine, World

__all__ = ["ACTIONS", "Action"]

Action = Callable[[World, random.Random], str]

_MOST_PODS = 24
_CLOCK_SECONDS = (-86_400, -3600, -5, 5, 3600, 86_400)


def _networks(rng: random.Random) -> tuple[dict[str, Any], ...]:
    chosen = rng.choices(NETWORKS, k=rng.choice((1, 1, 1, 2, 3)))
    return tuple({"name": name} for name in chosen)


def _some_pod(world: World, rng: random.Random) -> Wanted | None:
    return rng.choice(list(world.pods.values())) if world.pods else None


def _machine(world: World, rng: random.Random) -> Machine:
    return rng.choice(world.machines)


def add_pod(world: World, rng: random.Random) -> str:
    if len(world.pods) >= _MOST_PODS:
        return delete_pod(world, rng)
    name = world.new_name("p")
    wanted = Wanted(
        namespace=rng.choice(NAMESPACES),
        name=name,
        machine=rng.randrange(len(world.machines)),
        netns=f"{name}-0",
        networks=_networks(rng),
    )
    world.put_pod(wanted)
    return f"Pod {name} with {len(wanted.networks)} networks on node {wanted.machine + 1}"


def delete_pod(world: World, rng: random.Random) -> str:
    if (wanted := _some_pod(world, rng)) is None:
        return add_pod(world, rng)
    first = rng.random() < 0.5
    world.delete_pod(wanted, sandbox_first=first)
    return f"Pod {wanted.name} deleted, its sandbox {'before' if first else 'after'} it"


def edit_annotation(world: World, rng: random.Random) -> str:
    if (wanted := _some_pod(world, rng)) is None:
        return add_pod(world, rng)
    world.put_pod(replace(wanted, networks=_networks(rng)))
    return f"annotation of Pod {wanted.name} edited"


def replace_sandbox(world: World, rng: random.Random) -> str:
    if (wanted := _some_pod(world, rng)) is None:
        return add_pod(world, rng)
    world.replace_sandbox(wanted, end_first=rng.random() < 0.5)
    return f"Pod {wanted.name} has another sandbox"


def move_name(world: World, rng: random.Random) -> str:
    """A Pod of a StatefulSet: the same name at once on another node."""
    if (wanted := _some_pod(world, rng)) is None:
        return add_pod(world, rng)
    world.delete_pod(wanted, sandbox_first=rng.random() < 0.5)
    machine = (wanted.machine + 1) % len(world.machines)
    world.put_pod(replace(wanted, machine=machine, netns=world.new_name(f"{wanted.name}-")))
    return f"Pod {wanted.name} deleted and created on node {machine + 1}"


def delete_namespace(world: World, rng: random.Random) -> str:
    gone = [wanted for wanted in world.pods.values() if wanted.namespace == "tenant"]
    for wanted in gone:
        world.delete_pod(wanted, sandbox_first=False)
    return f"{len(gone)} Pods of a namespace deleted"


def edit_nad(world: World, rng: random.Random) -> str:
    name = rng.choice(("red", "blue"))
    world.nads[name] = rng.choice((11, 12, 13))
    world.put_nads()
    return f"NAD {name} has the VLAN {world.nads[name]}"


def delete_nad(world: World, rng: random.Random) -> str:
    name = rng.choice(NETWORKS)
    world.remove_nad(name)
    return f"NAD {name} deleted"


def grow_pool(world: World, rng: random.Random) -> str:
    name = rng.choice(("v4", "v6"))
    world.ends[name] = min(world.ends[name] + 5, 250)
    world.put_pools()
    return f"pool {name} grows"


def kill_agent(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    if machine.agent is not None:
        machine.agent.kill()
    if rng.random() < 0.8:
        machine.start_agent()
    return f"agent {machine.index + 1} killed"


def restart_agent(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    if machine.agent is not None and machine.agent.running and not machine.frozen:
        os.kill(machine.agent.pid, signal.SIGTERM)
        machine.agent.wait_end(60)
    machine.start_agent()
    return f"agent {machine.index + 1} stopped and started"


def freeze_agent(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    if machine.agent is None or not machine.agent.running:
        return kill_agent(world, rng)
    machine.frozen = not machine.frozen
    os.kill(machine.agent.pid, signal.SIGSTOP if machine.frozen else signal.SIGCONT)
    return f"agent {machine.index + 1} {'frozen' if machine.frozen else 'goes on'}"


def kill_switch(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    if machine.database_down:
        return "nothing"
    if machine.switch_down:
        machine.node.ovs.start_switch()
    else:
        machine.node.ovs.kill_switch()
    machine.switch_down = not machine.switch_down
    return f"ovs-vswitchd {machine.index + 1} {'killed' if machine.switch_down else 'started'}"


def stop_database(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    if machine.database_down:
        machine.node.ovs.start_server()
    else:
        machine.node.ovs.stop_server()
    machine.database_down = not machine.database_down
    return f"ovsdb-server {machine.index + 1} {'stopped' if machine.database_down else 'started'}"


def break_port(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    names = sorted(str(record.attachment.names.get("host", "")) for record in machine.node.records())
    if not names or machine.database_down or machine.switch_down:
        return "nothing"
    name = rng.choice(names)
    machine.node.ovs.vsctl("--no-wait", "--if-exists", "del-port", name)
    return f"port {name} deleted by hand"


def break_link(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    names = sorted(str(record.attachment.names.get("host", "")) for record in machine.node.records())
    if not names:
        return "nothing"
    name = rng.choice(names)
    change = rng.choice((["link", "del", name], ["link", "set", name, "down"]))
    run_in(machine.node.namespace, ["ip", *change], check=False)
    return f"ip {' '.join(change)}"


def break_address(world: World, rng: random.Random) -> str:
    if (wanted := _some_pod(world, rng)) is None:
        return "nothing"
    with suppress(AssertionError):  # it has no sandbox yet
        argv = ["nsenter", f"--net={world.source.netns(wanted)}", "--", "ip", "address", "flush", "dev", "eth1"]
        subprocess.run(argv, check=False, capture_output=True)
    return f"addresses of eth1 of Pod {wanted.name} flushed"


def turn_uplink(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    machine.uplink_down = not machine.uplink_down
    run_in(machine.node.namespace, ["ip", "link", "set", UPLINK, "down" if machine.uplink_down else "up"])
    return f"uplink {machine.index + 1} {'down' if machine.uplink_down else 'up'}"


def fill_disk(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    machine.fill()
    what = rng.choice((add_pod, delete_pod, kill_agent))(world, rng)
    time.sleep(rng.uniform(0.2, 2.0))
    machine.empty()
    return f"the run directory of node {machine.index + 1} was full; {what}"


def break_source(world: World, rng: random.Random) -> str:
    return world.source.fault(rng)


def set_clock(world: World, rng: random.Random) -> str:
    machine = _machine(world, rng)
    seconds = rng.choice(_CLOCK_SECONDS)
    machine.offset.write_text(str(seconds), encoding="ascii")
    return f"clock of node {machine.index + 1} is off by {seconds} s"


ACTIONS: dict[Action, int] = {
    add_pod: 30,
    delete_pod: 18,
    edit_annotation: 10,
    replace_sandbox: 8,
    move_name: 6,
    delete_namespace: 1,
    edit_nad: 4,
    delete_nad: 2,
    grow_pool: 1,
    kill_agent: 8,
    restart_agent: 3,
    freeze_agent: 4,
    kill_switch: 4,
    stop_database: 3,
    break_port: 4,
    break_link: 4,
    break_address: 3,
    turn_uplink: 2,
    fill_disk: 3,
    set_clock: 2,
    break_source: 4,
}
"""Each action with its weight."""
