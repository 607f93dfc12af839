"""The Pod's primary interface, as it is in the namespace."""

from __future__ import annotations

import dataclasses

import pytest
from secnet.agent.model.record import Record
from secnet.agent.status._primary import primary_addresses
from secnet.linux.netns import identify
from secnet_conformance.needs import requires_link_kind
from secnet_testing.contract_objects import record
from secnet_testing.netns import Namespace, NetnsFactory, run_in


def record_in(namespace: Namespace) -> Record:
    found = record()
    request = dataclasses.replace(found.attachment.request, netns=identify(namespace.path))
    return found.replace(attachment=dataclasses.replace(found.attachment, request=request))


@pytest.mark.kernel
def test_its_global_addresses_and_mac(netns_factory: NetnsFactory) -> None:
    requires_link_kind("veth")
    pod = netns_factory()
    assert primary_addresses([record_in(pod)]) == ((), None)
    run_in(pod, ["ip", "link", "add", "eth0", "address", "02:00:00:00:00:07", "type", "veth", "peer", "name", "p0"])
    for address in ("10.0.0.5/24", "fd00::5/64"):
        run_in(pod, ["ip", "addr", "add", address, "dev", "eth0", "nodad"])
    for link in ("p0", "eth0"):
        run_in(pod, ["ip", "link", "set", link, "up"])
    addresses, mac = primary_addresses([record_in(pod)])
    assert (sorted(addresses), mac) == (["10.0.0.5", "fd00::5"], "02:00:00:00:00:07")


def test_a_namespace_that_is_gone_is_passed_over() -> None:
    assert primary_addresses([record()]) == ((), None)
    assert primary_addresses([]) == ((), None)
