"""What the tests of a driver work with: a prepared host, instances of the driver, sandboxes, and pictures to compare."""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest
from secnet.agent.text.schema import InvalidSchema, Problem, Validator
from secnet.contract import (
    DRIVER_CAPABILITIES,
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    CheckReport,
    DeviceRef,
    DriverInfo,
    HostContext,
    NetworkDriver,
    NetworkRef,
    PodRef,
    SecnetError,
    StepObserver,
)
from secnet.linux.rtnl import Link, host_rtnl, pod_rtnl

from ..cases import Bad, DriverCase
from ..children import Outcome
from ..host import Host
from ..netns import Namespace, remove_namespace
from ..snapshot import HostSnapshot, diff
from ..suite import Keeper, Parameters, Suite
from .records import golden_files

__all__ = ["IFNAME", "DriverLab", "DriverTests", "info_of", "schema_problems", "unchanged", "without_netdev"]

IFNAME = "eth1"
"""The interface that a request asks for."""

_CALL_SECONDS = 30.0
_CLEAN_SECONDS = 10.0
_SETTLE_SECONDS = 5.0
_IMPATIENT_SECONDS = 0.5
_POLL_SECONDS = 0.02
_STILL_SECONDS = 0.1
_TAG = "owner tag of the kit"


def unchanged(before: HostSnapshot, after: HostSnapshot, what: str) -> None:
    """Fail with each difference between two pictures."""
    lines = diff(before, after)
    assert not lines, "\n".join((f"{what}:", *lines))


def info_of(case: Any) -> DriverInfo:
    """The description; one that says nothing if it cannot be had, which the tests of the package report."""
    try:
        info = case.driver.describe()
    except Exception:
        info = None
    return info if isinstance(info, DriverInfo) else DriverInfo(network_type="", summary="")


def without_netdev(case: Any) -> str:
    """Why a test about the Pod's interface does not apply; empty if it does."""
    return "" if case.netdev else "attach makes no interface of the Pod"


def schema_problems(case: Any, bad: Bad) -> list[Problem]:
    """What the driver's schema has against a configuration; nothing if there is no usable schema."""
    info = info_of(case)
    try:
        return Validator(info.options, f"driver {info.network_type}").problems(bad.config)
    except InvalidSchema:
        return []


class DriverLab:
    """One test's work place. The calling thread is in the node's namespace."""

    def __init__(self, keeper: Keeper, host: Host) -> None:
        self.host = host
        self.case: DriverCase = keeper.case
        self.info = info_of(self.case)
        self.keeper = keeper
        self._drivers: list[NetworkDriver] = []
        self._pods: list[Namespace] = []

    @property
    def prepared(self) -> HostSnapshot:
        """The host as the case made it, before the driver's first reconcile_node."""
        assert self.keeper.prepared is not None
        return self.keeper.prepared

    @functools.cached_property
    def context(self) -> HostContext:
        """What each instance is built with. The owner tag is the host's own, so that none can be written into a driver."""
        if self.case.golden is None:
            tag = self.host.kept.setdefault(_TAG, f"sn-{secrets.token_hex(3)}")
        else:
            tag = "secnet"  # a record may hold the tag that it was written under
        return self.host.context({"owner_tag": tag, **self.case.context(self.host)}, self.case.node)

    def driver(self, context: HostContext | None = None) -> NetworkDriver:
        """A new instance; closed with the test."""
        stores = [self.host.objects] if self.info.kinds else []
        made = self.case.driver(context or self.context, *stores)
        self._drivers.append(made)
        return made

    def pod(self) -> Namespace:
        """A new sandbox; removed with the test."""
        made = self.host.new_pod()
        self._pods.append(made)
        return made

    def remove(self, pod: Namespace) -> None:
        """End a sandbox, as the runtime does."""
        remove_namespace(pod)

    def call(self, *observers: StepObserver, seconds: float = _CALL_SECONDS, **rest: Any) -> Call:
        """The circumstances of one call."""
        return Call.within(seconds, observers=observers, **rest)

    def request(self, pod: Namespace, options: Mapping[str, Any] | None = None, **fields: Any) -> AttachRequest:
        """What the core would ask for; the first `good` by default, with a device if the driver needs one."""
        usual: dict[str, Any] = {
            "container_id": pod.name,
            "ifname": IFNAME,
            "pod": PodRef(namespace="default", name=f"pod-{pod.name}", uid=f"uid-{pod.name}", node="node1"),
            "network": NetworkRef(namespace="default", name="conformance"),
            "network_type": self.info.network_type,
            "netns": pod.ref,
            "options": self.case.good[0] if options is None else options,
        }
        if "device" not in fields:
            usual["device"] = self.devices(1)[0]
        return AttachRequest(**{**usual, **fields})

    def devices(self, count: int) -> list[DeviceRef | None]:
        """That many different devices; Nones for a driver that needs none."""
        if not self.info.needs_device:
            return [None] * count
        found = list(self.case.devices(self.host, count))
        assert len({item.id for item in found}) == count, f"the case gave {found} where {count} devices are needed"
        return [*found]

    def plan(self, driver: NetworkDriver, request: AttachRequest) -> Attachment:
        """Plan, and bind as the core does for a network without IPAM."""
        return self.bound(driver.plan(request, self.call()))

    def bound(self, planned: Attachment) -> Attachment:
        """A plan as the core binds it for a network without IPAM."""
        return planned.bind(None, planned.request.options.get("vlan", 0) if self.info.vlan else None)

    def attach(self, driver: NetworkDriver, pod: Namespace, options: Mapping[str, Any] | None = None) -> Attachment:
        """Plan, bind, admit, attach."""
        attachment = self.plan(driver, self.request(pod, options))
        driver.admit(attachment, self.call())
        driver.attach(attachment, self.call())
        return attachment

    def child(self, method: str, *arguments: Any, **how: Any) -> Outcome:
        """A call in a new process with a new instance; `kill`, `plain` and more as `Children.call_each` takes them."""
        return self.keeper.children.call(
            self.context, method, *arguments, namespace=self.host.namespace, **self._objects, **how
        )

    @property
    def _objects(self) -> dict[str, Any]:
        return {"objects": self.host.objects.directory} if self.info.kinds else {}

    def link(self, attachment: Attachment) -> Link | None:
        """The Pod's link of an attachment."""
        with pod_rtnl(attachment.request.netns) as (_, pod):
            return pod.link(attachment.request.ifname)

    def up(self, attachment: Attachment, result: AttachResult | None = None) -> None:
        """Bring the Pod's link up, as the core does after `attach`."""
        if result is None or result.netdev:
            with pod_rtnl(attachment.request.netns) as (_, pod):
                link = pod.link(attachment.request.ifname)
                if link is not None:
                    pod.set_link(link.index, up=True)

    def clean_check(self, driver: NetworkDriver, attachment: Attachment, what: str = "check") -> None:
        """Check until nothing is found, as the core does; fail with the findings if it never comes true."""
        self._wait(lambda: driver.check(attachment, self.call()).clean, _CLEAN_SECONDS)
        report = driver.check(attachment, self.call())
        assert isinstance(report, CheckReport), f"{what} returned {report!r}"
        assert report.clean, f"{what}: {[f'{item.code}: {item.message}' for item in report.findings]}"

    def node_links(self) -> set[str]:
        """Names of the links on the node."""
        with host_rtnl() as kernel:
            return {link.name for link in kernel.links()}

    def picture(self, *pods: Namespace) -> HostSnapshot:
        """The node, these sandboxes, and what the case adds."""
        return self.host.snapshot({pod.name: pod for pod in pods}, self.case.snapshot(self.host))

    def at_once(self, *pods: Namespace) -> HostSnapshot:
        """Like `picture`, without the flag `promisc` of the node's links: a switch ceases to listen some time after a step."""
        data = self.picture(*pods).to_json()
        for link in data["namespaces"]["node"]["links"].values():
            link["flags"] = [flag for flag in link["flags"] if flag != "promisc"]
        return HostSnapshot(data=data)

    def settled(self, before: HostSnapshot, what: str, *pods: Namespace) -> None:
        """Like `unchanged`, for the time after a sandbox ended: the kernel takes its links away a little later."""
        self._wait(lambda: not diff(before, self.picture(*pods)), _SETTLE_SECONDS)
        unchanged(before, self.picture(*pods), what)

    def made_again(self, before: HostSnapshot, what: str) -> None:
        """Like `settled` for what `reconcile_node` made again: links that were not prepared may have other MACs."""

        def look() -> HostSnapshot:
            return self._without_macs(self.picture())

        wanted = self._without_macs(before)
        self._wait(lambda: not diff(wanted, look()), _SETTLE_SECONDS)
        unchanged(wanted, look(), what)

    def _without_macs(self, picture: HostSnapshot) -> HostSnapshot:
        data, known = picture.to_json(), self.prepared.to_json()["namespaces"]["node"]["links"]
        for name, link in data["namespaces"]["node"]["links"].items():
            if name not in known:
                link["mac"] = ""
        return HostSnapshot(data=data)

    def still(self) -> HostSnapshot:
        """The node once it stands still: what a service does after a step is done too."""
        limit, last = time.monotonic() + _SETTLE_SECONDS, self.picture()
        while True:
            time.sleep(_STILL_SECONDS)
            now = self.picture()
            if not diff(last, now) or time.monotonic() > limit:
                return now
            last = now

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition. Once in vain is long enough for a class: after that the waits are short."""
        limit = time.monotonic() + (seconds if self.keeper.patient else _IMPATIENT_SECONDS)
        while not condition():
            if time.monotonic() > limit:
                self.keeper.patient = False
                return
            time.sleep(_POLL_SECONDS)

    def end(self) -> None:
        """Close what the test opened."""
        for driver in self._drivers:
            driver.close()
        for pod in self._pods:
            remove_namespace(pod)


class DriverTests(Suite):
    """A group of tests over a DriverCase."""

    parameters: ClassVar[Parameters] = {
        "options": lambda case: case.good,
        "bad_for_schema": lambda case: [item for item in case.bad if schema_problems(case, item)],
        "bad_for_driver": lambda case: [item for item in case.bad if not schema_problems(case, item)],
        "breakage": lambda case: case.breakages,
        "stall": lambda case: case.stalls,
        "foreign": lambda case: case.foreign,
        "declared": lambda case: sorted(info_of(case).capabilities & DRIVER_CAPABILITIES),
        "undeclared": lambda case: sorted(DRIVER_CAPABILITIES - info_of(case).capabilities),
        "golden": lambda case: golden_files(case.golden, info_of(case).network_type),
        "honoured": lambda case: sorted(info_of(case).capabilities & {"mac", "mtu"}),
    }

    @classmethod
    def plugin(cls) -> type[NetworkDriver]:
        """The driver class."""
        driver: type[NetworkDriver] = cls.case.driver
        return driver

    @pytest.fixture
    def lab(self, keeper: Keeper) -> Iterator[DriverLab]:
        """A work place on a prepared and reconciled host; skips while the driver says that it is not ready there."""
        with keeper.lend(lambda host, case: _start(keeper, host)) as host:
            if keeper.not_ready:
                pytest.skip(f"not ready: {keeper.not_ready}")
            made = DriverLab(keeper, host)
            try:
                yield made
            finally:
                made.end()


def _start(keeper: Keeper, host: Host) -> None:
    """Make the per-node state. A driver that is not ready may refuse that; any other must not."""
    lab = DriverLab(keeper, host)
    for obj in lab.case.objects:
        host.objects.apply(obj)
    driver = lab.driver()
    try:
        problem = _reconcile(driver, lab)
        probe = driver.probe()
        keeper.not_ready = "" if probe.ready else probe.message or "the probe gives no reason"
    finally:
        driver.close()
    assert keeper.not_ready or not problem, f"reconcile_node on the prepared host: {problem}"


def _reconcile(driver: NetworkDriver, lab: DriverLab) -> str:
    try:
        report = driver.reconcile_node(lab.context.config, lab.call())
    except SecnetError as exc:
        return str(exc)
    return "; ".join(f"{item.code}: {item.message}" for item in report.findings)
