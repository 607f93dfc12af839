"""From a selection and its NAD to an attach request."""

from __future__ import annotations

import dataclasses
from typing import Any

from secnet.agent.model.network import CommonOptions, NetworkConfig
from secnet.agent.model.sandbox import Sandbox
from secnet.agent.model.selection import Malformed, Named, Selection
from secnet.agent.model.work import Ignored, Rejected, Work
from secnet.agent.networks.requests import attachment_options_of, build_work, is_outdated
from secnet.contract import Conflict, InvalidConfig, NetnsRef, NetworkRef, ObjectNotFound
from secnet_testing.contract_objects import POD, network, record, selection_id
from secnet_testing.scripted_plugins import Script, toy_registry

SANDBOX = Sandbox(container_id="c1", netns=NetnsRef(path="/run/netns/none", device=1, inode=2))
CONFIG = NetworkConfig(network=network(), network_type="toy", generation=3)


def build(
    config: Any = CONFIG, *, error: Any = None, element: Malformed | None = None, **selection: Any
) -> Work | Rejected | Ignored:
    named = Named(
        selection=element or Selection(index=0, network=network(), **selection),
        selection_id=selection_id(),
        ifname="net1",
        error=error,
    )

    def look_up(ref: Any) -> Any:
        if isinstance(config, Exception):
            raise config
        return config

    return build_work(named, POD, SANDBOX, look_up, toy_registry(Script()))


def test_a_request_has_what_the_nad_and_the_selection_say() -> None:
    made = build(NetworkConfig(network=network(), network_type="toy", ipam_type="pool"), ips=("10.0.0.5/24",))
    assert isinstance(made, Work)
    assert (made.request.ifname, made.request.container_id, made.request.pod) == ("net1", "c1", POD)
    assert made.ipam is not None
    assert made.ipam.ips == ("10.0.0.5/24",)


def test_a_network_of_another_owner_is_ignored() -> None:
    assert isinstance(build(None), Ignored)


def test_what_no_one_honours_is_rejected_and_not_dropped() -> None:
    for asked in ({"mac": "02:00:00:00:00:01"}, {"ips": ("10.0.0.5",)}, {"cni_args": {"a": 1}}):
        rejected = build(**asked)
        assert isinstance(rejected, Rejected)
        assert rejected.error.reason == "Unsupported"
        assert (rejected.network_type, rejected.nad_generation) == ("toy", 3)


def test_a_malformed_selection_fails_with_its_own_error_unless_its_network_is_none_of_ours() -> None:
    error = InvalidConfig("bad mac")
    broken = Malformed(index=0, error=error, network=network(), certain=True)
    assert build(element=broken) == Rejected(
        selection_id=selection_id(), ifname="net1", error=error, network_type="toy", nad_generation=3
    )
    assert isinstance(build(None, element=broken), Ignored)
    missing = build(ObjectNotFound("there is none"), element=broken)
    assert isinstance(missing, Rejected)
    assert missing.error is error


def test_a_malformed_selection_without_a_network_is_not_looked_up() -> None:
    broken = Malformed(index=2, error=InvalidConfig("bad name"), network=NetworkRef(namespace="default", name="$[2]"))
    assert isinstance(build(None, element=broken), Rejected)


def test_an_mtu_of_the_nad_that_no_one_honours_is_an_error_of_the_nad() -> None:
    rejected = build(NetworkConfig(network=network(), network_type="toy", mtu=1400))
    assert isinstance(rejected, Rejected)
    assert (rejected.error.reason, rejected.error.path) == ("Unsupported", "$.mtu")
    assert rejected.error.subject.startswith("NetworkAttachmentDefinition")
    assert "annotation" not in str(rejected.error)


def test_a_missing_nad_and_a_name_that_is_taken_are_rejected() -> None:
    for rejected in (build(ObjectNotFound("there is none")), build(error=Conflict("net1 is taken"))):
        assert isinstance(rejected, Rejected)
        assert rejected.ifname == "net1"


def test_attachment_options_leave_out_what_was_not_asked_for() -> None:
    assert attachment_options_of(Selection(index=0, network=network())) == {}
    asked = Selection(index=0, network=network(), mac="02:00:00:00:00:01", default_route=())
    assert attachment_options_of(asked) == {"mac": "02:00:00:00:00:01", "default_route": ()}


def test_an_edited_nad_makes_a_living_attachment_outdated() -> None:
    same = build()
    assert isinstance(same, Work)
    assert not is_outdated(record(), same)
    edited = dataclasses.replace(same, request=dataclasses.replace(same.request, mtu=1400))
    assert is_outdated(record(), edited)
    for common in (CommonOptions(accept_ra=True), CommonOptions(disable_check=True)):
        assert is_outdated(record(), dataclasses.replace(same, common=common))
    with_addresses = build(NetworkConfig(network=network(), network_type="toy", ipam_type="pool"))
    assert isinstance(with_addresses, Work)
    assert is_outdated(record(), with_addresses)
