"""Cases and packages that are wrong while the plugin is right, and plugins that do not understand old records.

Each runs the one group that is about its fault: with all others the plugin is like the right one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sample_cases import ListCase, PairCase
from secnet.agent.networks.requests import build_work
from secnet.agent.plugins.registry import Registry
from secnet.contract import BACKEND_CAPABILITIES, DRIVER_CAPABILITIES
from secnet_conformance import Bad
from secnet_conformance.backend import refusals
from secnet_conformance.backend.lab import BackendTests
from secnet_conformance.backend.refusals import Ips
from secnet_conformance.backend.remains import Golden
from secnet_conformance.driver import refusals as driver_refusals
from secnet_conformance.driver.golden import Golden as DriverGolden
from secnet_conformance.driver.package import Package as DriverPackage
from secnet_conformance.driver.refusals import Declarations
from secnet_conformance.package import Package
from secnet_samples import wrong_packages
from secnet_samples.leases import ListBackend
from secnet_samples.pair import PairDriver
from secnet_samples.wrong_imports import LoadsAgent

RECORDS = Path(__file__).with_name("golden")


class BackendPackage(BackendTests, Package):
    """Only what is asked of a package."""


class TestNotInstalled(BackendPackage):
    class case(ListCase):
        backend = wrong_packages.NotInstalled


class TestTwiceInstalled(BackendPackage):
    class case(ListCase):
        backend = wrong_packages.TwiceInstalled


class TestLoadsAgent(BackendPackage):
    class case(ListCase):
        backend = LoadsAgent


class TestUnsoundGood(BackendPackage):
    """What the case calls good is refused by the schema."""

    class case(ListCase):
        backend = wrong_packages.NeverReady
        not_ready = wrong_packages.NOT_READY
        good = ({"pool": 7},)


class TestUnsoundReason(BackendPackage):
    """The case expects an error that the contract does not have."""

    class case(ListCase):
        backend = wrong_packages.NeverReady
        not_ready = wrong_packages.NOT_READY
        bad = (Bad({}, reason="Nonsense"),)


class TestEmptyCase(BackendPackage):
    """The case says next to nothing."""

    class case(ListCase):
        backend = ListBackend
        bad = ()
        breakages = ()
        small = None
        ips = ()


class TestReadyAfterAll(BackendPackage):
    """The case excuses what has come true."""

    class case(ListCase):
        backend = ListBackend
        not_ready = wrong_packages.NOT_READY


class TestNotReadyForAnotherReason(BackendPackage):
    """The case excuses something else than what is missing."""

    class case(ListCase):
        backend = wrong_packages.NeverReady
        not_ready = "there is no IPPool"


class TestUnknownNodeKey(DriverPackage):
    """The case holds node configuration that the driver does not have."""

    class case(PairCase):
        driver = wrong_packages.NeverReadyDriver
        not_ready = wrong_packages.NOT_READY
        node: ClassVar[Mapping[str, Any]] = {"unknown": 1}


class TestCarelessCore(Ips):
    """The core lets pass what the backend does not declare."""

    class case(ListCase):
        backend = wrong_packages.NoIps

    @pytest.fixture(autouse=True)
    def careless(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # There is no such core: this one reads of each backend that it declares all there is.
        def build(named: Any, pod: Any, sandbox: Any, network_of: Any, registry: Registry) -> Any:
            declared = {
                name: dataclasses.replace(
                    plugin, info=dataclasses.replace(plugin.info, capabilities=BACKEND_CAPABILITIES)
                )
                for name, plugin in registry.backends.items()
            }
            return build_work(named, pod, sandbox, network_of, dataclasses.replace(registry, backends=declared))

        monkeypatch.setattr(refusals, "build_work", build)


class TestCarelessDriverCore(Declarations):
    """The core lets pass what the driver does not declare."""

    class case(PairCase):
        driver = PairDriver

    @pytest.fixture(autouse=True)
    def careless(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # There is no such core: this one reads of each driver that it declares all there is.
        monkeypatch.setattr(driver_refusals, "build_work", _core_that_reads(DRIVER_CAPABILITIES))


class TestHarshDriverCore(Declarations):
    """The core lets nothing pass, whatever the driver declares."""

    class case(PairCase):
        driver = PairDriver

    @pytest.fixture(autouse=True)
    def harsh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Nor is there this one, which reads of no driver that it declares anything.
        monkeypatch.setattr(driver_refusals, "build_work", _core_that_reads(frozenset()))


def _core_that_reads(capabilities: frozenset[str]) -> Callable[..., Any]:
    """The core, if all drivers declared these capabilities."""

    def build(named: Any, pod: Any, sandbox: Any, network_of: Any, registry: Registry) -> Any:
        drivers = {
            name: dataclasses.replace(plugin, info=dataclasses.replace(plugin.info, capabilities=capabilities))
            for name, plugin in registry.drivers.items()
        }
        return build_work(named, pod, sandbox, network_of, dataclasses.replace(registry, drivers=drivers))

    return build


class TestNoRecords(Golden):
    """Nobody has written the records of this contract version."""

    class case(ListCase):
        backend = ListBackend
        golden = RECORDS


class TestNoDriverRecords(DriverGolden):
    """The same of a driver."""

    class case(PairCase):
        driver = PairDriver
        golden = RECORDS


class TestNeedsSize(Golden):
    """The record is from a time without the option."""

    class case(ListCase):
        backend = wrong_packages.NeedsSize
        golden = RECORDS
        good = ({"pool": "blue", "size": 50},)


class TestNeedsColour(DriverGolden):
    """The same of a driver."""

    class case(PairCase):
        driver = wrong_packages.NeedsColour
        golden = RECORDS
        good = ({"colour": "red"},)
