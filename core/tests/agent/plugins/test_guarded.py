"""The proxies around plugin code: what a plugin does wrong names its distribution and its line, and ends nothing of ours."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from secnet.agent.plugins.guarded import GuardedBackend, GuardedDriver
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.agent.text.schema import Validator
from secnet.contract import (
    EMPTY_FRAGMENT,
    Attachment,
    AttachRequest,
    AttachResult,
    BackendInfo,
    Busy,
    Call,
    CheckReport,
    ContractViolation,
    DoctorLevel,
    DoctorResult,
    HostContext,
    Inventory,
    IPAMBackend,
    IpamLease,
    IpamOwner,
    IpamRequest,
    LeaseOutline,
    Metric,
    NetworkDriver,
    NodeObservation,
    NodeReport,
    ObjectFinding,
    PoolUsage,
    ProbeReport,
)
from secnet_testing.contract_objects import request
from secnet_testing.sample_plugins import WireDriver

HOST = HostContext(node_name="n", run_dir=Path("/nonexistent"))
ASKED = request("eth1")
PLANNED = Attachment(request=ASKED)
OWNER = IpamOwner(container_id="c1", ifname="eth1")
LEASE = IpamLease(owner=OWNER)
RESULT = DoctorResult(level=DoctorLevel.OK, what="card", finding="there")
METRIC = Metric(name="cards", help="Cards.", value=1)
USAGE = PoolUsage(pool="p", used=1)
WANTED = IpamRequest(owner=OWNER, network=ASKED.network, config={})


class Scripted(WireDriver):
    """A driver that does in `plan` what a test says."""

    deed: Callable[[], Any]

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return cast(Attachment, type(self).deed())


class Given(NetworkDriver):
    """A driver whose methods note their arguments and return what the contract promises."""

    seen: dict[str, tuple[Any, ...]]

    def _note(self, method: str, value: Any, *args: Any) -> Any:
        self.seen[method] = args
        return value

    @classmethod
    def describe(cls) -> Any:
        return WireDriver.describe()

    def probe(self) -> ProbeReport:
        return cast(ProbeReport, self._note("probe", ProbeReport(ready=True)))

    def validate(self, options: Mapping[str, Any]) -> None:
        self._note("validate", None, options)

    def lock_keys(self, request: AttachRequest) -> tuple[str, ...]:
        return cast("tuple[str, ...]", self._note("lock_keys", ("a",), request))

    def plan(self, request: AttachRequest, call: Call) -> Attachment:
        return cast(Attachment, self._note("plan", PLANNED, request, call))

    def admit(self, attachment: Attachment, call: Call) -> None:
        self._note("admit", None, attachment, call)

    def attach(self, attachment: Attachment, call: Call) -> AttachResult:
        return cast(AttachResult, self._note("attach", AttachResult(), attachment, call))

    def check(self, attachment: Attachment, call: Call) -> CheckReport:
        return cast(CheckReport, self._note("check", CheckReport(), attachment, call))

    def detach(self, attachment: Attachment, call: Call) -> None:
        self._note("detach", None, attachment, call)

    def inventory(self, call: Call) -> Inventory:
        return cast(Inventory, self._note("inventory", Inventory(), call))

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        return cast(NodeReport, self._note("reconcile_node", NodeReport(), desired, call))

    def observe_node(self, call: Call) -> NodeObservation:
        return cast(NodeObservation, self._note("observe_node", NodeObservation(), call))

    def watch_node(self, notify: Callable[[], None], call: Call) -> None:
        self._note("watch_node", None, notify, call)

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        return cast("tuple[DoctorResult, ...]", self._note("doctor", (RESULT,), call))

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        return cast("tuple[Metric, ...]", self._note("metrics", (METRIC,), call))

    def teardown_node(self, call: Call) -> None:
        self._note("teardown_node", None, call)

    def close(self) -> None:
        self._note("close", None)


class GivenBackend(IPAMBackend):
    """As `Given`; `findings` is what it finds in objects."""

    seen: dict[str, tuple[Any, ...]]
    findings: Sequence[Any] = ()
    leases: tuple[Any, ...] = (LEASE,)

    def _note(self, method: str, value: Any, *args: Any) -> Any:
        self.seen[method] = args
        return value

    @classmethod
    def describe(cls) -> BackendInfo:
        return BackendInfo(ipam_type="given", summary="")

    def probe(self) -> ProbeReport:
        return cast(ProbeReport, self._note("probe", ProbeReport(ready=True)))

    def validate(self, config: Mapping[str, Any]) -> None:
        self._note("validate", None, config)

    def outline(self, config: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> LeaseOutline:
        return cast(LeaseOutline, self._note("outline", LeaseOutline(subnets=("10.0.0.0/24",)), config, objects))

    @classmethod
    def validate_objects(cls, objects: Sequence[Mapping[str, Any]]) -> Iterator[ObjectFinding]:
        yield from cls.findings

    def allocate(self, request: IpamRequest, call: Call) -> IpamLease:
        return cast(IpamLease, self._note("allocate", LEASE, request, call))

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        return cast(CheckReport, self._note("check", CheckReport(), lease, config, call))

    def renew(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> IpamLease:
        return cast(IpamLease, self._note("renew", LEASE, lease, config, call))

    def release(self, request: IpamRequest, call: Call) -> None:
        self._note("release", None, request, call)

    def inventory(self, call: Call) -> tuple[IpamLease, ...]:
        return cast("tuple[IpamLease, ...]", self._note("inventory", self.leases, call))

    def doctor(self, call: Call) -> tuple[DoctorResult, ...]:
        return cast("tuple[DoctorResult, ...]", self._note("doctor", (RESULT,), call))

    def pool_usage(self, requests: Sequence[IpamRequest], call: Call) -> tuple[PoolUsage, ...]:
        return cast("tuple[PoolUsage, ...]", self._note("pool_usage", (USAGE,), requests, call))

    def metrics(self, call: Call) -> tuple[Metric, ...]:
        return cast("tuple[Metric, ...]", self._note("metrics", (METRIC,), call))

    def close(self) -> None:
        self._note("close", None)


def loaded(cls: type[Any]) -> LoadedPlugin[Any]:
    validator = Validator(EMPTY_FRAGMENT, "wire")
    return LoadedPlugin(
        name="wire", cls=cls, info=cls.describe(), distribution="wire-dist", version="1.2", options=validator
    )


def doing(deed: Callable[[], Any]) -> GuardedDriver:
    """A guarded driver that does this in `plan`."""
    return GuardedDriver(loaded(type("Driver", (Scripted,), {"deed": staticmethod(deed)})), HOST)


def backend(**members: Any) -> tuple[GuardedBackend, dict[str, tuple[Any, ...]]]:
    seen: dict[str, tuple[Any, ...]] = {}
    return GuardedBackend(loaded(type("Backend", (GivenBackend,), {"seen": seen, **members})), HOST), seen


def raising(error: BaseException) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("base", "proxy"), [(NetworkDriver, GuardedDriver), (IPAMBackend, GuardedBackend)], ids=["driver", "backend"]
)
def test_each_method_of_the_contract_is_guarded(base: type, proxy: type) -> None:
    public = {name for name, _ in inspect.getmembers(base, inspect.isroutine) if not name.startswith("_")}
    assert public <= set(vars(proxy))


def test_each_method_of_a_driver_is_called_with_its_arguments() -> None:
    seen: dict[str, tuple[Any, ...]] = {}
    driver, call = GuardedDriver(loaded(type("Driver", (Given,), {"seen": seen})), HOST), Call()

    def notify() -> None: ...

    assert driver.describe() == WireDriver.describe()
    assert driver.probe().ready
    driver.validate({"a": 1})
    assert driver.lock_keys(ASKED) == ("a",)
    assert driver.plan(ASKED, call) is PLANNED
    driver.admit(PLANNED, call)
    assert driver.attach(PLANNED, call) == AttachResult()
    assert driver.check(PLANNED, call) == CheckReport()
    driver.detach(PLANNED, call)
    assert driver.inventory(call) == Inventory()
    assert driver.reconcile_node({"a": 1}, call) == NodeReport()
    assert driver.observe_node(call) == NodeObservation()
    driver.watch_node(notify, call)
    assert driver.doctor(call) == (RESULT,)
    assert driver.metrics(call) == (METRIC,)
    driver.teardown_node(call)
    driver.close()
    with_attachment = dict.fromkeys(("admit", "attach", "check", "detach"), (PLANNED, call))
    with_call = dict.fromkeys(("inventory", "observe_node", "doctor", "metrics", "teardown_node"), (call,))
    assert seen == {
        **with_attachment,
        **with_call,
        "probe": (),
        "close": (),
        "validate": ({"a": 1},),
        "lock_keys": (ASKED,),
        "plan": (ASKED, call),
        "reconcile_node": ({"a": 1}, call),
        "watch_node": (notify, call),
    }


def test_each_method_of_a_backend_is_called_with_its_arguments() -> None:
    pool = {"kind": "Pool", "metadata": {"name": "p"}}
    guarded, seen = backend(findings=[(pool, "$.a", "is wrong", "mend it")])
    call = Call()
    assert guarded.describe().ipam_type == "given"
    assert guarded.probe().ready
    guarded.validate({"a": 1})
    assert list(guarded.validate_objects([pool])) == [(pool, "$.a", "is wrong", "mend it")]
    assert guarded.outline({"a": 1}, [pool]).subnets == ("10.0.0.0/24",)
    assert guarded.allocate(WANTED, call) is LEASE
    assert guarded.check(LEASE, {}, call) == CheckReport()
    assert guarded.renew(LEASE, {}, call) is LEASE
    guarded.release(WANTED, call)
    assert guarded.inventory(call) == (LEASE,)
    assert guarded.doctor(call) == (RESULT,)
    assert guarded.metrics(call) == (METRIC,)
    assert guarded.pool_usage([WANTED], call) == (USAGE,)
    guarded.close()
    assert seen == {
        "probe": (),
        "validate": ({"a": 1},),
        "outline": ({"a": 1}, [pool]),
        "allocate": (WANTED, call),
        "check": (LEASE, {}, call),
        "renew": (LEASE, {}, call),
        "release": (WANTED, call),
        "inventory": (call,),
        "doctor": (call,),
        "metrics": (call,),
        "pool_usage": ([WANTED], call),
        "close": (),
    }


@pytest.mark.parametrize("deed", [lambda: sys.exit(3), raising(KeyError("x"))], ids=["SystemExit", "KeyError"])
def test_what_is_no_error_of_the_contract_names_the_distribution(deed: Callable[[], None]) -> None:
    with pytest.raises(ContractViolation, match=r"driver wire \(wire-dist 1\.2\) raised \w+ from plan") as caught:
        doing(deed).plan(ASKED, Call())
    assert isinstance(caught.value.__cause__, SystemExit | KeyError)


THIRD_PARTY = """
from secnet_testing.sample_plugins import WireDriver
class Driver(WireDriver):
    def plan(self, request, call):
        return {}["x"]
    def check(self, attachment):
        return None
    def detach(self, attachment, call):
        int(_Odd())
class _Odd:
    def __int__(self):
        raise OSError("odd")
"""


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GuardedDriver]:
    """A driver from a package of its own, which lies in a folder of the same name."""
    package = tmp_path / "secnet_foo" / "src" / "secnet_foo"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "driver.py").write_text(THIRD_PARTY)
    monkeypatch.syspath_prepend(str(package.parent))
    yield GuardedDriver(loaded(__import__("secnet_foo.driver").driver.Driver), HOST)
    for name in ("secnet_foo.driver", "secnet_foo"):
        del sys.modules[name]


def test_the_error_names_the_line_in_the_plugin(third_party: GuardedDriver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ContractViolation) as caught:
        third_party.plan(ASKED, Call())
    expected = "driver wire (wire-dist 1.2) raised KeyError from plan: 'x' (secnet_foo/driver.py:5)"
    assert caught.value.message == expected
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


def test_the_innermost_line_of_the_plugin_counts(third_party: GuardedDriver) -> None:
    with pytest.raises(ContractViolation, match=r"OSError from detach: odd \(secnet_foo/driver\.py:12\);"):
        third_party.detach(PLANNED, Call())


def test_a_method_that_cannot_be_called_has_no_line(third_party: GuardedDriver) -> None:
    with pytest.raises(ContractViolation, match=r"raised TypeError from check: .* positional argument") as caught:
        third_party.check(PLANNED, Call())
    assert "driver.py" not in caught.value.message


def test_an_error_of_the_contract_is_handed_through() -> None:
    with pytest.raises(Busy, match="in use"):
        doing(raising(Busy("in use"))).plan(ASKED, Call())


def test_who_stops_the_agent_is_no_fault_of_the_plugin() -> None:
    with pytest.raises(KeyboardInterrupt):
        doing(raising(KeyboardInterrupt())).plan(ASKED, Call())


def test_another_type_than_promised_is_refused() -> None:
    with pytest.raises(ContractViolation, match=r"\(wire-dist 1\.2\) returned None from plan where Attachment was"):
        doing(lambda: None).plan(ASKED, Call())


def test_a_plan_for_another_request_is_refused() -> None:
    with pytest.raises(ContractViolation, match="changed the request in its plan"):
        doing(lambda: Attachment(request=request("eth2"))).plan(ASKED, Call())


def test_an_item_of_another_type_is_refused() -> None:
    guarded, _ = backend(leases=(LEASE, "10.0.0.1"))
    with pytest.raises(ContractViolation, match=r"returned '10\.0\.0\.1' from inventory where a tuple of IpamLease"):
        guarded.inventory(Call())


@pytest.mark.parametrize(
    "finding",
    [
        ({"kind": "Pool"}, "$", "m", "h"),
        ("three", "parts", "only"),
        ({"kind": "P", "metadata": {"name": "p"}}, "", "", ""),
    ],
)
def test_a_finding_that_names_no_object_given_is_refused(finding: tuple[Any, ...]) -> None:
    guarded, _ = backend(findings=[finding])
    with pytest.raises(
        ContractViolation, match=r"IPAM backend wire \(wire-dist 1\.2\) raised \w+ from validate_objects"
    ):
        list(guarded.validate_objects([]))


def test_a_constructor_that_fails_is_named() -> None:
    with pytest.raises(ContractViolation, match="raised OSError from __init__: no disk"):
        GuardedDriver(
            loaded(type("Driver", (WireDriver,), {"__init__": lambda *_: raising(OSError("no disk"))()})), HOST
        )
