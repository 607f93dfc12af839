"""What the suites of drivers and backends share: which tests apply to a case, and the host that the tests borrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NoReturn, TypeVar

import pytest
from secnet.contract import DriverInfo, IPAMBackend, NetworkDriver, ObjectKind

from .children import Children
from .host import Host
from .netns import entered
from .snapshot import HostSnapshot, diff

__all__ = ["NOT_HERE", "Keeper", "Parameters", "Suite", "applies", "group_of", "not_applicable", "not_here"]

F = TypeVar("F", bound=Callable[..., Any])
Parameters = Mapping[str, Callable[[Any], Sequence[Any]]]
"""Name of a test's argument -> the values it takes for a case. No value: the test does not apply."""

_APPLIES = "_secnet_applies"


NOT_HERE = "does not apply: "


def not_here(reason: str) -> NoReturn:
    """For a test that finds out on the host that it does not apply: `n/a` in the report, and no skip of any kind."""
    pytest.skip(f"{NOT_HERE}{reason}")


def applies(why_not: Callable[[Any], str]) -> Callable[[F], F]:
    """For a test that not every case has: the function gets the case and says why not, or an empty text."""

    def mark(test: F) -> F:
        setattr(test, _APPLIES, why_not)
        return test

    return mark


def not_applicable(test: Any, case: Any) -> str:
    """Why a test does not apply to a case; empty if it does."""
    why_not = getattr(test, _APPLIES, None)
    return why_not(case) if why_not else ""


class Suite:
    """A group of tests over one case. A whole suite is a class that inherits from all groups of its kind.

    group: name of the group in the report. needs_life: its tests attach or allocate, so they wait until the plugin can.
    """

    case: ClassVar[Any]
    parameters: ClassVar[Parameters] = {}
    group: ClassVar[str] = ""
    needs_life: ClassVar[bool] = True
    namespaced: ClassVar[bool] = True

    @classmethod
    def plugin(cls) -> type[NetworkDriver] | type[IPAMBackend]:
        """The class under test."""
        raise NotImplementedError

    @staticmethod
    def why_not(case: Any) -> str:
        """Why the whole group does not apply to a case; empty if it does."""
        return ""

    @classmethod
    def lacks(cls) -> Sequence[str]:
        """What no test shows, as the case leaves out what a test of it needs. The closing lines say it."""
        return ()

    @classmethod
    def more(cls, host: Host, case: Any) -> Mapping[str, Any]:
        """What belongs to the picture of the host besides links: what the case adds."""
        found: Mapping[str, Any] = case.snapshot(host)
        return found

    @classmethod
    def title(cls) -> str:
        """The plugin's name in the report: `driver vlan`, `ipam static`."""
        plugin = cls.plugin()
        try:
            info = plugin.describe()
            return f"driver {info.network_type}" if isinstance(info, DriverInfo) else f"ipam {info.ipam_type}"
        except Exception:  # a plugin that cannot even say what it is still gets a row
            return plugin.__name__

    @pytest.fixture(scope="class")
    @classmethod
    def keeper(cls) -> Iterator[Keeper]:
        """Keeps a host for all tests of the class."""
        made = Keeper(cls)
        try:
            yield made
        finally:
            made.close()


def group_of(cls: type, test_name: str) -> type[Suite]:
    """The group that a test of a suite comes from: the first class, from the base up, that defines it."""
    owners = [base for base in cls.__mro__ if test_name in vars(base) and issubclass(base, Suite)]
    return owners[-1]


def _kinds_of(plugin: type[NetworkDriver] | type[IPAMBackend]) -> tuple[ObjectKind, ...]:
    """The kinds that it declares; none if it cannot be described, which the tests of the package report."""
    try:
        return plugin.describe().kinds
    except Exception:
        return ()


class Keeper:
    """Lends one host to test after test. A host that does not look as it did in the beginning is not lent again.

    case: the host's. prepared: the host as the case made it, before `start`. not_ready: why no test can run on it.
    patient: no wait was in vain yet.
    """

    def __init__(self, suite: type[Suite]) -> None:
        self._suite = suite
        self._host: Host | None = None
        self._pristine: HostSnapshot | None = None
        self._children: Children | None = None
        self.case: Any = None
        self.prepared: HostSnapshot | None = None
        self.not_ready = ""
        self.patient = True

    @property
    def children(self) -> Children:
        """Runs calls into the plugin in new processes."""
        if self._children is None:
            self._children = Children(self._suite.plugin())
        return self._children

    @contextmanager
    def lend(self, start: Callable[[Host, Any], None]) -> Iterator[Host]:
        """A prepared host, with the calling thread in its namespace. `start` completes a new one, in that namespace."""
        if self._host is None:
            node_netns = self._suite.case.node_netns if self._suite.namespaced else ""
            kinds = _kinds_of(self._suite.plugin())
            self._host = Host(namespaced=self._suite.namespaced, node_netns=node_netns, kinds=kinds)
            self.case = self._suite.case()
            with self._inside(self._host):
                self.case.prepare(self._host)
                self.prepared = self.picture()
                start(self._host, self.case)
                self._pristine = self.picture()
        with self._inside(self._host):
            try:
                yield self._host
            finally:
                if self._pristine is None or diff(self._pristine, self.picture()):
                    self._discard()

    def picture(self) -> HostSnapshot:
        """The host without its Pods, as it is now."""
        assert self._host is not None
        return self._host.snapshot({}, self._suite.more(self._host, self.case))

    @contextmanager
    def _inside(self, host: Host) -> Iterator[None]:
        if host.namespace is None:
            yield
        else:
            with entered(host.namespace):
                yield

    def _discard(self) -> None:
        host, self._host, self._pristine = self._host, None, None
        if host is not None:
            host.close()

    def close(self) -> None:
        """End the host and the processes."""
        self._discard()
        if self._children is not None:
            self._children.close()
