"""Where the benchmark runs: a namespace that plays the node, one that plays the node of the CNI plugins, and the Pods.

All names begin with `sn-bench-` and a random part, all files lie below one directory on tmpfs, and all of it is gone at the end.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secnet.linux import sysctl
from secnet.linux.netns import identify, open_netns, setns

from .switch import Switch, private_switch

__all__ = ["IFNAME", "Pod", "World", "new_world", "observed"]

IFNAME = "eth1"
"""The interface that everybody makes in the Pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A network namespace that plays a Pod."""

    name: str
    number: int

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return f"/run/netns/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The caller is in the node's namespace.

    prefix: of the names of all namespaces. directory: on tmpfs. cni_node: path of the namespace in which the CNI plugins work.
    """

    prefix: str
    directory: Path
    cni_node: str
    pods: tuple[Pod, ...]
    switch: Switch


@contextmanager
def new_world(pods: int) -> Iterator[World]:
    """Make it all and enter the node's namespace with the calling thread, which must be the main one and the only one."""
    if threading.active_count() != 1:
        raise RuntimeError("threads that run already would stay in the namespace of the host")
    prefix = f"sn-bench-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="secnet-bench-", dir="/run"))
        stack.callback(shutil.rmtree, directory)
        node = stack.enter_context(_namespace(f"{prefix}-node"))
        cni_node = stack.enter_context(_namespace(f"{prefix}-cni"))
        made = []
        for number in range(pods):
            pod = Pod(name=f"{prefix}-{number}", number=number)
            _without_dad(stack.enter_context(_namespace(pod.name)))
            made.append(pod)
        stack.enter_context(_inside(node))
        switch = stack.enter_context(private_switch(directory / "ovs"))
        yield World(prefix=prefix, directory=directory, cni_node=cni_node, pods=tuple(made), switch=switch)


@contextmanager
def _namespace(name: str) -> Iterator[str]:
    _ip("netns", "add", name)
    try:
        yield f"/run/netns/{name}"
    finally:
        _ip("netns", "delete", name)


@contextmanager
def _inside(path: str) -> Iterator[None]:
    with open("/proc/self/ns/net") as home, open_netns(identify(path)) as fd:
        setns(fd)
        try:
            yield
        finally:
            setns(home.fileno())


def _without_dad(path: str) -> None:
    """No duplicate address detection: secnet adds its addresses without it, the bridge plugin would wait."""
    with open_netns(identify(path)) as fd:
        sysctl.write_all_in(fd, {"ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0"})


def observed(pod: Pod) -> dict[str, Any]:
    """What stands in the Pod now, in comparable words: state, MTU, address families with prefix, routes that were asked for."""
    link = json.loads(_ip("-json", "-netns", pod.name, "address", "show", "dev", IFNAME))[0]
    routes = [
        route
        for family in ("-4", "-6")
        for route in json.loads(_ip("-json", family, "-netns", pod.name, "route", "show", "dev", IFNAME))
        if "gateway" in route
    ]
    return {
        "up": "UP" in link["flags"],
        "mtu": link["mtu"],
        "addresses": sorted(
            f"{item['family']}/{item['prefixlen']}" for item in link["addr_info"] if item["scope"] == "global"
        ),
        "tentative": [item["local"] for item in link["addr_info"] if item.get("tentative")],
        "routes": sorted(f"{route['dst']} via {route['gateway']}" for route in routes),
    }


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
