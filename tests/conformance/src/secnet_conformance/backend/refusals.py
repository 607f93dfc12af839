"""What must be refused, and addresses that a Pod insists on."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from secnet.agent.model.network import NetworkConfig
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.model.selection import Named, Selection, SelectionId
from secnet.agent.model.work import Ignored, Rejected, Work
from secnet.agent.networks.requests import build_work
from secnet.agent.plugins.plugin import LoadedPlugin
from secnet.agent.plugins.registry import Registry
from secnet.agent.text.schema import Validator
from secnet.contract import (
    EMPTY_FRAGMENT,
    Conflict,
    DriverInfo,
    InvalidConfig,
    IpamRequest,
    NetnsRef,
    NetworkDriver,
    SecnetError,
    StepObserver,
)

from ..cases import Bad
from ..steps import Recorder
from ..suite import applies
from .addresses import must_be_usable, unusable
from .lab import IFNAME, BackendLab, BackendTests, allocating, info_of, unchanged

__all__ = ["Ips", "Refusals"]


def _declares(case: Any) -> str:
    return "" if "ips" in info_of(case).capabilities else "it does not declare ips"


def _insists(case: Any) -> str:
    return _declares(case) or ("" if case.ips else "none in the case")


class Refusals(BackendTests):
    """Each bad configuration has the reason that the case names, before anything changes."""

    group = "refusals"

    def test_what_is_bad_is_refused_before_any_change(self, lab: BackendLab, bad: Bad) -> None:
        before, recorder = lab.picture(), Recorder()
        request = lab.request(bad.config, **bad.request)
        with pytest.raises(SecnetError) as caught:
            _as_the_core(lab, request, recorder)
        error = caught.value
        assert error.reason == bad.reason, f"refused as {error}"
        assert bad.match in str(error), f"{bad.match!r} does not stand in: {error}"
        assert error.hint, f"no hint what to do about: {error}"
        assert not recorder.names, f"it did {', '.join(recorder.names)} before it refused"
        unchanged(before, lab.picture(), "after the refusal")


class Ips(BackendTests):
    """The capability `ips`: honoured if declared, refused by the core if not."""

    group = "ips"

    @applies(_insists)
    def test_what_is_asked_for_is_given_in_this_order(self, lab: BackendLab) -> None:
        """The network may give others besides."""
        wanted = [_plain(item) for item in lab.case.ips]
        before, request = lab.picture(), lab.request(ips=tuple(lab.case.ips))
        lease = lab.allocate(request)
        given = [_plain(item.address) for item in lease.addresses]
        assert [item for item in given if item in wanted] == wanted, f"{lab.case.ips} were asked for, {given} given"
        lab.clean(lease, request, "a lease of requested addresses")
        lab.release(request)
        unchanged(before, lab.picture(), "after release")

    @applies(lambda case: _insists(case) or allocating(case))
    def test_what_another_has_is_a_conflict(self, lab: BackendLab) -> None:
        for ip in lab.case.ips:
            holder, late = lab.request(ips=(ip,)), lab.request(ips=(ip,))
            lease = lab.allocate(holder)
            assert _plain(ip) in {_plain(item.address) for item in lease.addresses}
            held = lab.picture()
            with pytest.raises(Conflict) as caught:
                lab.allocate(late)
            assert caught.value.hint, f"no hint what to do about: {caught.value}"
            unchanged(held, lab.picture(), "after the refusal")
            lab.release(holder)

    @applies(_declares)
    def test_what_can_be_no_pods_address_is_not_given_to_who_insists(self, lab: BackendLab) -> None:
        """The gateway, and of an IPv4 subnet its own address and the broadcast address."""
        usual = lab.request()
        lease = lab.allocate(usual)
        lab.release(usual)
        for ip in dict.fromkeys(ip for item in lease.addresses for ip in unusable(item)):
            before, request = lab.picture(), lab.request(ips=(ip,))
            with suppress(SecnetError):
                must_be_usable([lab.allocate(request)])
            lab.release(request)
            unchanged(before, lab.picture(), f"after {ip} was asked for, and release")

    @applies(lambda case: _declares(case) or allocating(case))
    def test_an_owner_may_insist_on_what_it_has(self, lab: BackendLab, config: Mapping[str, Any]) -> None:
        """So the core has lost addresses listed again."""
        request = lab.request(config)
        lease = lab.allocate(request)
        again = dataclasses.replace(request, ips=tuple(item.address for item in lease.addresses))
        held = lab.picture()
        assert lab.allocate(again).addresses == lease.addresses
        unchanged(held, lab.picture(), "after the owner insisted on what it has")
        lab.release(request)
        assert lab.allocate(again).addresses == lease.addresses, (
            "released addresses are not given to who insists on them"
        )
        lab.release(request)

    def test_the_core_lets_pass_exactly_what_is_declared(self, lab: BackendLab) -> None:
        """A test of the core, by what `describe` says: the backend is not asked."""
        outcome = _built(lab, "148.14.25.3/24")
        if _declares(lab.case):
            assert isinstance(outcome, Rejected)
            assert outcome.error.reason == "Unsupported", str(outcome.error)
        else:
            assert isinstance(outcome, Work), f"refused: {outcome}"
            assert outcome.ipam is not None
            assert outcome.ipam.ips == ("148.14.25.3/24",)


def _plain(text: str) -> str:
    """An address without its prefix length, as it is commonly written."""
    return str(ipaddress.ip_interface(text).ip)


def _built(lab: BackendLab, ip: str) -> Work | Rejected | Ignored:
    """What the core makes of a Pod that asks for an address on a network with this backend."""
    # Nothing of a driver is needed but its description: it is never made.
    driver = LoadedPlugin(
        name="any",
        cls=NetworkDriver,  # type: ignore[type-abstract]
        info=DriverInfo(network_type="any", summary=""),
        distribution="secnet-conformance",
        version="0",
        options=Validator(EMPTY_FRAGMENT, "driver any"),
    )
    backend = LoadedPlugin(
        name=lab.info.ipam_type,
        cls=type(lab.backend()),
        info=lab.info,
        distribution="secnet-conformance",
        version="0",
        options=Validator(lab.info.config, "the backend"),
    )
    request = lab.request()
    network = NetworkConfig(
        network=request.network, network_type="any", ipam_type=backend.name, ipam_config=request.config
    )
    selection = Selection(index=0, network=request.network, ips=(ip,))
    named = Named(selection=selection, selection_id=SelectionId(network=request.network), ifname=IFNAME)
    assert request.owner.pod is not None
    return build_work(
        named,
        request.owner.pod,
        Sandbox(container_id=request.owner.container_id, netns=NetnsRef(path="", device=0, inode=0)),
        lambda ref: network,
        Registry(drivers={driver.name: driver}, backends={backend.name: backend}),
    )


def _as_the_core(lab: BackendLab, request: IpamRequest, observer: StepObserver) -> None:
    """Schema, then validate, then allocate: in the agent's order."""
    problems = Validator(lab.info.config, f"IPAM type {lab.info.ipam_type}").problems(request.config)
    if problems:
        raise InvalidConfig(problems[0].message, hint=problems[0].hint, path=problems[0].path)
    backend = lab.backend()
    backend.validate(request.config)
    backend.allocate(request, lab.call(observer))
