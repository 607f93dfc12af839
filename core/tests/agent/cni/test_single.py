"""The rules for the plugin that makes one network."""

from __future__ import annotations

from secnet.agent.cni._service import CniService
from secnet.contract import ErrorInfo

from .helpers import PREVIOUS, RECORDS, ToyAttacher, ask, code, single, valid


def test_gc_of_one_network_does_not_wait_for_the_recovery(service: CniService, attacher: ToyAttacher) -> None:
    attacher.ready, attacher.records = False, RECORDS
    assert code(ask(service, "GC", single(**valid(("lives", "net5"))))) is None
    assert attacher.asked == [("dead", "net6", "blue"), ("lives", "net6", "blue")]


def test_one_network_needs_no_pod(service: CniService, attacher: ToyAttacher) -> None:
    assert ask(service, "ADD", single(), CNI_ARGS=None).status == 0
    assert attacher.asked[0][0].pod is None


def test_one_network_gets_its_configuration_and_the_callers_options(service: CniService, attacher: ToyAttacher) -> None:
    ask(service, "ADD", single(runtimeConfig={"mac": "02:00:00:00:00:07"}, deviceID="d1"), CNI_IFNAME="net1")
    ((sandbox, configuration, ifname, runtime),) = attacher.asked
    assert (sandbox.container_id, ifname, configuration["networkType"]) == ("c1", "net1", "toy")
    assert (runtime.mac, runtime.device_id) == ("02:00:00:00:00:07", "d1")


def test_one_network_is_no_link_of_a_chain(service: CniService, attacher: ToyAttacher) -> None:
    assert code(ask(service, "ADD", single(prevResult=PREVIOUS))) == 7
    assert attacher.asked == []


def test_gc_of_one_network_compares_interfaces_within_it(service: CniService, attacher: ToyAttacher) -> None:
    attacher.records = RECORDS
    assert ask(service, "GC", single(**valid(("lives", "net5")))).status == 0
    assert attacher.asked == [("dead", "net6", "blue"), ("lives", "net6", "blue")]


def test_status_of_one_network_tells_what_is_missing(service: CniService, attacher: ToyAttacher) -> None:
    assert ask(service, "STATUS", single()).status == 0
    attacher.why = ErrorInfo(reason="NotReady", message="no bridge")
    assert code(ask(service, "STATUS", single())) == 50
    attacher.why, attacher.ready = None, False
    assert code(ask(service, "STATUS", single())) == 50
