"""The host that a plugin under test works on: a network namespace that plays the node, a folder, and Pods' sandboxes."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from secnet.agent.cluster.files.store import FileStore
from secnet.agent.cluster.kinds import with_plugins
from secnet.contract import HostContext, NetnsRef, ObjectKind, freeze

from .netns import Namespace, new_namespace, remove_namespace, run_in
from .snapshot import HostSnapshot

__all__ = ["Host"]

_RUN = "run"


class Host:
    """Made by the kit, given to the case.

    folder: an empty directory with a short path (fit for sockets), removed at the end. kept: for what `prepare` made and
    breakages, stalls and foreign objects work on. namespace: plays the node; None for a backend, which needs none. While a test
    runs, its own thread is in it, and so is whatever it starts. node_netns: the name of an existing one for that purpose.
    """

    def __init__(self, *, namespaced: bool, node_netns: str = "", kinds: Iterable[ObjectKind] = ()) -> None:
        self._kinds = with_plugins(kinds)
        self._end = ExitStack()
        self.kept: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="sn-kit-"))
        self._end.callback(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / _RUN).mkdir()
        self.namespace: Namespace | None = None
        if namespaced:
            try:
                # An existing one has another owner, and stays.
                self.namespace = Namespace(name=node_netns) if node_netns else self._new()
            except BaseException:
                self.close()
                raise

    def _new(self) -> Namespace:
        made = new_namespace()
        self._end.callback(remove_namespace, made)
        return made

    @property
    def objects(self) -> FileStore:
        """The cluster objects that the plugin works on."""
        return FileStore(self.folder / "objects", kinds=self._kinds)

    def new_pod(self) -> Namespace:
        """A sandbox: a namespace of its own; removed with the host at the latest."""
        return self._new()

    def pod_of(self, ref: NetnsRef) -> Namespace:
        """The sandbox of a request's `netns`."""
        return Namespace(name=Path(ref.path).name)

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a program in the node's namespace; returns what it printed. A failure is an AssertionError with its messages."""
        return run_in(self.namespace, shlex.split(command), check=check)

    def run_in(self, pod: Namespace | NetnsRef, command: str, *, check: bool = True) -> str:
        """Run a program in a sandbox: `inside` is given one, a breakage has `attachment.request.netns`."""
        place = self.pod_of(pod) if isinstance(pod, NetnsRef) else pod
        return run_in(place, shlex.split(command), check=check)

    def at_end(self, undo: Callable[[], object]) -> None:
        """Call this when the host ends, before its namespaces go; last come, first served."""
        self._end.callback(undo)

    def context(self, fields: Mapping[str, Any], config: Mapping[str, Any]) -> HostContext:
        """The HostContext of this host; `fields` are those that differ from the usual."""
        usual = {"node_name": "node1", "run_dir": self.folder / _RUN, "config": config}
        return HostContext(**{**usual, **fields})

    def snapshot(self, pods: Mapping[str, Namespace], more: Mapping[str, Any]) -> HostSnapshot:
        """The node, these Pods and what the case adds."""
        if self.namespace is None:
            return HostSnapshot(data={}).with_section("more", more)
        places = {"node": self.namespace.path, **{label: pod.path for label, pod in pods.items()}}
        # /run/netns itself is left out: other tests work there too.
        taken = HostSnapshot.take(places, current=False, netns_dir=self.folder / "no-netns")
        return _without_link_local(taken).with_section("more", more)

    def close(self) -> None:
        """Undo all of it."""
        self._end.close()


def _without_link_local(taken: HostSnapshot) -> HostSnapshot:
    """The kernel adds these by itself, some time after a link came up; what is left of a link shows by the link."""
    data = taken.to_json()
    for place in data["namespaces"].values():
        kept = {
            link: [item for item in found if not item["cidr"].startswith("fe80:")]
            for link, found in place["addresses"].items()
        }
        place["addresses"] = {link: found for link, found in kept.items() if found}
        place["routes"] = [route for route in place["routes"] if not str(route["dst"]).startswith("fe80:")]
    return HostSnapshot(data=freeze(data))
