"""What cannot be is refused before anything changes, with the right reason and a hint."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.model.network import NetworkConfig
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.model.selection import Named, Selection, SelectionId
from secnet.agent.model.work import Rejected
from secnet.agent.networks.requests import build_work
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.agent.plugins.registry import Registry
from secnet.agent.text.schema import Validator
from secnet.contract import InvalidConfig, NetnsRef, NetworkRef, PodRef, SecnetError, Unsupported

from ..cases import Bad
from .lab import IFNAME, DriverLab, DriverTests, schema_problems, unchanged

__all__ = ["Declarations", "Refusals"]

_NETWORK = NetworkRef(namespace="default", name="conformance")
_ASKED: dict[str, tuple[str, Any]] = {
    "mac": ("mac", "02:53:4e:aa:bb:01"),
    "bandwidth": ("bandwidth", {"ingressRate": 1000000}),
    "portMappings": ("port_mappings", ({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},)),
    "infinibandGuid": ("infiniband_guid", "02:53:4e:00:00:aa:bb:01"),
}
"""Capability -> the field of a selection that asks for it; an MTU is asked for by the NAD."""


class Refusals(DriverTests):
    """What only the driver can refuse: options that its schema accepts."""

    group = "refusals"

    def test_the_driver_refuses_before_any_change(self, lab: DriverLab, bad_for_driver: Bad) -> None:
        """In the agent's order: `validate` when the NAD is examined, then `plan`."""
        driver, pod = lab.driver(), lab.pod()
        before = lab.picture(pod)
        request = lab.request(pod, bad_for_driver.config, **bad_for_driver.request)

        def ask() -> None:
            driver.validate(request.options)
            lab.plan(driver, request)

        with pytest.raises(SecnetError) as raised:
            ask()
        unchanged(before, lab.picture(pod), "after the refusal")
        _require_reason(raised.value, bad_for_driver)


class Declarations(DriverTests):
    """What the core refuses before the driver is asked, by what the driver says of itself."""

    group = "refusals"
    needs_life = False

    def test_the_schema_refuses(self, bad_for_schema: Bad) -> None:
        problem = schema_problems(self.case, bad_for_schema)[0]
        error = InvalidConfig(problem.message, hint=problem.hint, path=problem.path)
        _require_reason(error, bad_for_schema)

    def test_an_undeclared_capability_is_unsupported(self, undeclared: str) -> None:
        answer = self._ask(undeclared)
        assert isinstance(answer, Rejected), f"the core would pass {undeclared} to a driver that does not declare it"
        assert isinstance(answer.error, Unsupported), str(answer.error)
        assert answer.error.hint

    def test_a_declared_capability_reaches_the_driver(self, declared: str) -> None:
        answer = self._ask(declared)
        assert not isinstance(answer, Rejected), str(answer.error)

    def _ask(self, capability: str) -> Any:
        cls = self.plugin()
        info = cls.describe()
        plugin = LoadedPlugin(
            name=info.network_type, cls=cls, info=info, distribution="", version="", options=Validator(info.options, "")
        )
        field = dict([_ASKED[capability]]) if capability in _ASKED else {}
        config = NetworkConfig(
            network=_NETWORK,
            network_type=info.network_type,
            options=self.case.good[0],
            mtu=1400 if capability == "mtu" else None,
        )
        named = Named(
            selection=Selection(index=0, network=_NETWORK, **field),
            selection_id=SelectionId(network=_NETWORK),
            ifname=IFNAME,
        )
        sandbox = Sandbox(container_id="c1", netns=NetnsRef(path="/run/netns/none", device=1, inode=2))
        pod = PodRef(namespace="default", name="pod", uid="uid")
        return build_work(named, pod, sandbox, lambda _: config, Registry(drivers={info.network_type: plugin}))


def _require_reason(error: SecnetError, bad: Bad) -> None:
    assert error.reason == bad.reason, str(error)
    assert bad.match in f"{error.message} {error.path} {error.hint}", str(error)
    assert error.hint, f"no hint says what to do: {error}"
