"""What the tests of a backend work with: a prepared host with an object store, instances, requests, and pictures to compare."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import pytest
from secnet.agent.cluster.files.state_files import StateFiles
from secnet.agent.cluster.kinds import object_key
from secnet.contract import (
    BackendInfo,
    Call,
    HostContext,
    IPAMBackend,
    IpamLease,
    IpamOwner,
    IpamRequest,
    NetworkRef,
    ObjectStore,
    PodRef,
    StepObserver,
)

from ..cases import BackendCase
from ..children import Outcome
from ..host import Host
from ..snapshot import HostSnapshot, diff
from ..steps import StepPoint
from ..suite import Keeper, Parameters, Suite
from .golden import golden_files

__all__ = [
    "IFNAME",
    "BackendLab",
    "BackendTests",
    "addresses_of",
    "allocating",
    "info_of",
    "next_owners",
    "recording",
    "unchanged",
]

IFNAME = "eth1"
"""The interface that a request is for."""

_CALL_SECONDS = 30.0


def unchanged(before: HostSnapshot, after: HostSnapshot, what: str) -> None:
    """Fail with each difference between two pictures."""
    lines = diff(before, after)
    assert not lines, "\n".join((f"{what}:", *lines))


def info_of(case: Any) -> BackendInfo:
    """The description; one that says nothing if it cannot be had, which the tests of the package report."""
    try:
        info = case.backend.describe()
    except Exception:
        info = None
    return info if isinstance(info, BackendInfo) else BackendInfo(ipam_type="", summary="")


def allocating(case: Any) -> str:
    """For `applies` and `why_not`: tests of what an allocation records."""
    return "" if info_of(case).allocates else "it allocates nothing (allocates=False)"


def coverable(case: Any) -> str:
    """For `why_not`: a backend that works on a link needs more than this suite gives."""
    return "" if info_of(case).phase == "before_link" else "backends of phase after_link are not covered"


def recording(case: Any) -> str:
    """For the `why_not` of a group about what is recorded."""
    return coverable(case) or allocating(case)


def addresses_of(leases: Sequence[IpamLease], owner: IpamOwner) -> list[str]:
    """What these leases say that an owner holds, sorted."""
    mine = (
        lease
        for lease in leases
        if (lease.owner.container_id, lease.owner.ifname) == (owner.container_id, owner.ifname)
    )
    return sorted(item.address for lease in mine for item in lease.addresses)


class BackendLab:
    """One test's work place."""

    def __init__(self, keeper: Keeper, host: Host) -> None:
        self.host = host
        self.case: BackendCase = keeper.case
        self.info = info_of(self.case)
        self._keeper = keeper
        self._numbers = itertools.count(1)
        self._backends: list[IPAMBackend] = []

    @functools.cached_property
    def context(self) -> HostContext:
        """What each instance is built with."""
        return self.host.context(self.case.context(self.host), self.case.node)

    @property
    def config(self) -> Mapping[str, Any]:
        """The first good configuration."""
        return self.case.good[0]

    def backend(self, objects: ObjectStore | None = None) -> IPAMBackend:
        """A new instance, with the store exactly when it declares kinds; closed with the test."""
        store = (objects or self.host.objects) if self.info.kinds else None
        made = self.case.backend(self.context, store)
        self._backends.append(made)
        return made

    def call(self, *observers: StepObserver, seconds: float = _CALL_SECONDS, **rest: Any) -> Call:
        """The circumstances of one call."""
        return Call.within(seconds, observers=observers, **rest)

    def request(self, config: Mapping[str, Any] | None = None, **fields: Any) -> IpamRequest:
        """What the core asks for when a new sandbox comes; the first `good` by default."""
        container = f"sandbox{next(self._numbers):04d}"
        pod = PodRef(namespace="default", name=f"pod-{container}", uid=f"uid-{container}", node=self.context.node_name)
        usual = {
            "owner": IpamOwner(container_id=container, ifname=IFNAME, pod=pod),
            "network": NetworkRef(namespace="default", name="conformance"),
            "config": self.config if config is None else config,
        }
        return IpamRequest(**{**usual, **fields})

    def allocate(self, request: IpamRequest | None = None, *observers: StepObserver) -> IpamLease:
        """Allocate with a new instance."""
        return self.backend().allocate(request or self.request(), self.call(*observers))

    def release(self, request: IpamRequest, *observers: StepObserver) -> None:
        """Release with a new instance."""
        self.backend().release(request, self.call(*observers))

    def clean(self, lease: IpamLease, request: IpamRequest, what: str) -> None:
        """Fail with what a new instance's `check` finds."""
        report = self.backend().check(lease, request.config, self.call())
        assert report.clean, f"{what}: check finds {'; '.join(item.message for item in report.findings)}"

    def child(self, method: str, *arguments: Any, **how: Any) -> Outcome:
        """A call in a new process with a new instance. `how`: see `Children.call_each`."""
        return self.children_at_once(method, [arguments], **how)[0]

    def children_at_once(self, method: str, calls: Sequence[Sequence[Any]], **how: Any) -> list[Outcome]:
        """Calls in as many new processes, all at once."""
        objects = self.host.objects.directory if self.info.kinds else None
        return self._keeper.children.call_each(self.context, method, calls, objects=objects, **how)

    def killed(self, method: str, request: IpamRequest, point: StepPoint) -> bool:
        """Run a method in a process that dies at a point; False if it never came there."""
        return self.child(method, request, kill=point).killed

    def remove_object(self, kind: str, name: str, namespace: str = "") -> None:
        """Take an object out of the store, whatever uses it."""
        files: StateFiles = StateFiles(self.host.objects.directory)
        with files.exclusive() as transaction:
            transaction.remove(object_key(kind, name, namespace))

    def picture(self) -> HostSnapshot:
        """What is recorded: the objects, and what the case adds."""
        return self._keeper.picture()

    def close(self) -> None:
        """Close the instances."""
        for backend in self._backends:
            # The tests of resources check close itself.
            with suppress(Exception):
                backend.close()


@contextmanager
def next_owners(lab: BackendLab) -> Iterator[list[IpamRequest]]:
    """Others have all that `small` gives: whatever was released there has its next owner. One other without `small`."""
    config, count = lab.case.small or (None, 1)
    requests = [lab.request(config) for _ in range(count)]
    try:
        for request in requests:
            lab.allocate(request)
        yield requests
    finally:
        for request in requests:
            lab.release(request)


class BackendTests(Suite):
    """Base of all groups for backends."""

    namespaced = False
    parameters: ClassVar[Parameters] = {
        "config": lambda case: case.good,
        "bad": lambda case: case.bad,
        "breakage": lambda case: case.breakages,
        "stall": lambda case: case.stalls,
        "gone": lambda case: [_name_of(obj) for obj in case.objects],
        "record": lambda case: golden_files(case, info_of(case).ipam_type),
    }

    @classmethod
    def plugin(cls) -> type[IPAMBackend]:
        """The backend of the case."""
        found: type[IPAMBackend] = cls.case.backend
        return found

    @staticmethod
    def why_not(case: Any) -> str:
        """See `coverable`."""
        return coverable(case)

    @classmethod
    def more(cls, host: Host, case: Any) -> Mapping[str, Any]:
        """The objects in the store without their version, and what the case adds."""
        kinds = dict.fromkeys([*(kind.kind for kind in info_of(case).kinds), *(obj["kind"] for obj in case.objects)])
        objects = {
            f"{kind} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}": _without_version(obj)
            for kind in kinds
            for obj in host.objects.list(kind)
        }
        return {"objects": objects, "case": case.snapshot(host)}

    @pytest.fixture
    def lab(self, keeper: Keeper) -> Iterator[BackendLab]:
        with keeper.lend(lambda host, case: self._start(keeper, host, case)) as host:
            lab = BackendLab(keeper, host)
            if self.needs_life and not (report := lab.backend().probe()).ready:
                lab.close()
                pytest.skip(f"not ready: {report.message}")
            try:
                yield lab
            finally:
                lab.close()

    def _start(self, keeper: Keeper, host: Host, case: BackendCase) -> None:
        """Fill the store, and let leases come and go: what the first one makes for good is no trace of a later one."""
        (host.folder / "run").mkdir(exist_ok=True)
        for obj in case.objects:
            host.objects.apply(obj)
        if not case.not_ready:
            self._warm_up(BackendLab(keeper, host))

    def _warm_up(self, lab: BackendLab) -> None:
        small = [lab.case.small[0]] if lab.case.small else []
        for config in (*lab.case.good, *small):
            with suppress(Exception):  # whatever is wrong is a matter for the tests
                request = lab.request(config)
                lab.allocate(request)
                lab.release(request)
        lab.close()


def _name_of(obj: Mapping[str, Any]) -> str:
    meta = obj["metadata"]
    return "/".join(filter(None, (obj["kind"], meta.get("namespace", ""), meta["name"])))


def _without_version(obj: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    return {**obj, "metadata": metadata}
