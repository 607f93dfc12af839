"""The group `package`, the same for drivers and backends: what is true of a plugin before it is used on any host."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import secnet.contract as contract
from secnet.agent.plugins.fragments import backend_faults, driver_faults
from secnet.agent.plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry
from secnet.agent.text.schema import Validator
from secnet.contract import BackendInfo, DriverInfo, HostContext, IPAMBackend, NetworkDriver, SecnetError

from .suite import Suite, applies

__all__ = ["Inspection", "Package", "inspected"]

_FORBIDDEN = ("secnet.agent", "kubernetes", "grpc")
_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a plugin did in a process of its own, in which nothing had been imported but the contract.

    loaded: modules that its import brought. *_acts: what describe and the constructor did on the machine. construct_left: threads
    and descriptors. *_fault: a traceback or an error, empty if all went well.
    """

    loaded: tuple[str, ...] = ()
    fault: str = ""
    describe_acts: tuple[str, ...] = ()
    describe_same: bool = False
    construct_acts: tuple[str, ...] = ()
    construct_left: tuple[str, ...] = ()
    probe_fault: str = ""
    probe_is_report: bool = False
    close_fault: str = ""


@functools.cache
def inspected(plugin: type) -> Inspection:
    """Run `inspection` for a class; once in a run of pytest."""
    program = Path(__file__).with_name("inspection.py")
    done = subprocess.run(
        [sys.executable, "-P", str(program), f"{plugin.__module__}:{plugin.__qualname__}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"a new process cannot import {plugin.__module__}: {done.stderr}"
    found = json.loads(done.stdout)
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return Inspection(**fields)


def group_name(plugin: type) -> str:
    """The entry-point group that a class belongs to."""
    return DRIVERS_GROUP if issubclass(plugin, NetworkDriver) else BACKENDS_GROUP


def type_name(plugin: type[NetworkDriver] | type[IPAMBackend]) -> str:
    """The networkType or ipam.type that a class says it is."""
    info = plugin.describe()
    return info.network_type if isinstance(info, DriverInfo) else info.ipam_type


def fragment_of(info: DriverInfo | BackendInfo) -> Mapping[str, Any]:
    """The schema of its keys in a NAD."""
    return info.options if isinstance(info, DriverInfo) else info.config


class Package(Suite):
    """Nothing here needs a host."""

    group = "package"
    needs_life = False

    def _entry_points(self) -> list[importlib.metadata.EntryPoint]:
        name = type_name(self.plugin())
        return [item for item in importlib.metadata.entry_points(group=group_name(self.plugin())) if item.name == name]

    def test_the_entry_point_loads_and_is_named_as_the_type(self) -> None:
        """The core finds a plugin by the entry point whose name is the type."""
        group, plugin = group_name(self.plugin()), self.plugin()
        ours = [item for item in self._entry_points() if item.value.partition(":")[0] and item.load() is plugin]
        assert ours, (
            f"no installed distribution has an entry point {type_name(plugin)!r} in the group {group!r} that is "
            f"{plugin.__module__}:{plugin.__qualname__}; is the project installed?"
        )
        assert ours[0].dist is not None, "its distribution is unknown, so an error could not name it"

    def test_no_other_entry_point_has_its_name(self) -> None:
        """Of two plugins for one type the core takes none."""
        found = [
            f"{item.value} of {item.dist.name if item.dist else 'an unknown distribution'}"
            for item in self._entry_points()
        ]
        assert len(found) <= 1, f"the type {type_name(self.plugin())} is provided more than once: {', '.join(found)}"

    def test_the_core_accepts_it(self) -> None:
        """What the agent does at its start, with this plugin alone."""
        plugin = self.plugin()
        name, group = type_name(plugin), group_name(plugin)
        registry = Registry.load(lambda asked: self._entry_points() if asked == group else [])
        problem = registry.problem(group, name)
        assert problem is None, str(problem)
        taken: Mapping[str, Any] = registry.drivers if group == DRIVERS_GROUP else registry.backends
        assert name in taken, f"the type {name} is not registered"
        assert taken[name].cls is plugin, f"the type {name} is {taken[name].cls}"

    def test_each_method_takes_what_the_contract_says(self) -> None:
        """The core calls by position; a parameter that it does not know must have a default."""
        base = NetworkDriver if issubclass(self.plugin(), NetworkDriver) else IPAMBackend
        faults = []
        for name, promised in vars(base).items():
            if name.startswith("_") and name != "__init__":
                continue
            if name == "__init__" and base is NetworkDriver and not self.plugin().describe().kinds:
                promised = _init_without_objects  # the core then gives it the host alone
            faults += _signature_faults(name, promised, inspect.getattr_static(self.plugin(), name))
        assert not faults, "\n".join(faults)

    def test_importing_it_loads_neither_the_agent_nor_a_cluster_client(self) -> None:
        """A plugin stands on the contract, secnet.linux and secnet.ovs."""
        found = inspected(self.plugin()).loaded
        wrong = [name for name in found if name.startswith(tuple(f"{item}." for item in _FORBIDDEN))]
        wrong += [name for name in found if name in _FORBIDDEN]
        assert not wrong, f"importing it loads {', '.join(sorted(wrong))}"

    def test_the_schema_is_closed_and_documented_and_its_examples_are_valid(self) -> None:
        """An open or silent schema gives users wrong or empty messages, far from its author."""
        info = self.plugin().describe()
        faults = list(driver_faults(info) if isinstance(info, DriverInfo) else backend_faults(info))
        assert not faults, "\n".join(faults)

    def test_describe_is_pure(self) -> None:
        """It is asked in processes that have nothing to do with a node."""
        found = _without_fault(self.plugin())
        assert found.describe_same, "describe() gives another answer the second time"
        assert not found.describe_acts, f"describe() did {', '.join(found.describe_acts)}"

    def test_the_constructor_does_no_io(self) -> None:
        """No file is read, no thread begun, no store asked: instances are made to validate, too."""
        found = _without_fault(self.plugin())
        assert not found.construct_acts, f"the constructor did {', '.join(found.construct_acts)}"
        assert not found.construct_left, f"the constructor left (threads, descriptors): {found.construct_left[0]}"

    def test_probe_where_nothing_is_there_is_a_value(self) -> None:
        """Not ready is no exception."""
        found = _without_fault(self.plugin())
        assert not found.probe_fault, f"probe() on a host where nothing exists: {found.probe_fault}"
        assert found.probe_is_report, "probe() did not return a ProbeReport"

    def test_close_without_any_use(self) -> None:
        """The core closes what it made, used or not."""
        found = _without_fault(self.plugin())
        assert not found.close_fault, f"close(), twice: {found.close_fault}"

    def test_the_case_is_sound(self) -> None:
        """Good configuration is valid by the schema; a reason that is expected exists."""
        validator = Validator(fragment_of(self.plugin().describe()), "the schema")
        for config in self.case.good:
            problems = validator.problems(config)
            assert not problems, f"good {dict(config)}: {problems[0].path}: {problems[0].message}"
        for bad in self.case.bad:
            known = getattr(contract, bad.reason, None)
            assert isinstance(known, type), f"{bad}: {bad.reason} is no error of the contract"
            assert issubclass(known, SecnetError), f"{bad}: {bad.reason} is no error of the contract"

    def test_the_node_configuration_of_the_case_is_valid(self) -> None:
        """By the plugin's own schema."""
        node = Validator(self.plugin().describe().node, "node configuration of the case")
        assert [f"{item.path}: {item.message}" for item in node.problems(self.case.node)] == []

    @applies(lambda case: "the case says not_ready" if case.not_ready else "")
    def test_the_case_says_all_that_is_due(self) -> None:
        """What the plugin declares must be tried: an empty case would prove little and pass."""
        info = self.plugin().describe()
        due = {"bad": "at least one configuration that must be refused"}
        if isinstance(info, DriverInfo) or info.allocates:
            due["breakages"] = "at least one way to break what was made"
        if isinstance(info, BackendInfo) and info.allocates and info.phase == "before_link":
            due["small"] = "a configuration that is exhausted after a few leases"
        if isinstance(info, BackendInfo) and "ips" in info.capabilities and info.phase == "before_link":
            due["ips"] = "two addresses to ask for"
        missing = [f"{name}: {what}" for name, what in due.items() if not getattr(self.case, name)]
        assert not missing, f"the case lacks {'; '.join(missing)}"

    @applies(lambda case: "" if case.not_ready else "the case does not say not_ready")
    def test_it_is_still_not_ready(self, tmp_path: Path) -> None:
        """What the case excuses is still so."""
        node = self.case.node
        plugin = self.plugin()(HostContext(node_name="node1", run_dir=tmp_path, config=node))
        try:
            report = plugin.probe()
        finally:
            plugin.close()
        assert not report.ready, "the probe says ready: take not_ready out of the case"
        assert report.message.startswith(self.case.not_ready), f"the probe says something else: {report.message}"


def _init_without_objects(self: NetworkDriver, host: HostContext) -> None:
    """The constructor of a driver that works with no objects of the cluster."""


def _without_fault(plugin: type) -> Inspection:
    found = inspected(plugin)
    assert not found.fault, found.fault
    return found


def _signature_faults(name: str, promised: Any, given: Any) -> list[str]:
    kind = next((item for item in (classmethod, staticmethod) if isinstance(promised, item)), None)
    if kind is not None and not isinstance(given, kind):
        return [f"{name} must be a {kind.__name__}"]
    if not callable(getattr(promised, "__func__", promised)):
        return []
    theirs = list(inspect.signature(getattr(given, "__func__", given)).parameters.values())
    wanted = list(inspect.signature(getattr(promised, "__func__", promised)).parameters.values())
    places = [item for item in theirs if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
    by_name = [item for item in theirs if item.kind is item.KEYWORD_ONLY]
    faults = []
    names, wanted_names = [item.name for item in places], [item.name for item in wanted]
    takes_any = any(item.kind is item.VAR_POSITIONAL for item in theirs)
    if names[: len(wanted)] != (wanted_names[: len(names)] if takes_any else wanted_names):
        faults.append(f"{name}({', '.join(names)}) where the contract has {name}({', '.join(wanted_names)})")
    extra = [item.name for item in (*places[len(wanted) :], *by_name) if item.default is item.empty]
    return faults + ([f"{name} requires {', '.join(extra)}, which the core does not give"] if extra else [])
