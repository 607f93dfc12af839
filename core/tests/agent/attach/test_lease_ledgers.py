"""What an agent knows of a sandbox, with manifests and with the Kubernetes API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from secnet.agent.attach.lease_evidence import Recorder, SandboxState
from secnet.agent.attach.lease_ledgers import CommonLedgers, LocalLedger
from secnet.agent.model.record import Record
from secnet.agent.state.agent_ledgers import AgentLedgers
from secnet.agent.state.sandbox_ledger import SandboxLedger
from secnet.contract import Busy, IpamOwner, IpamRequest, NetworkRef
from secnet_testing.contract_objects import record, request
from secnet_testing.netns import NetnsFactory, run_in


def agent(folder: Path, node: str, boot: str = "boot", records: Iterable[Record] = ()) -> CommonLedgers:
    return CommonLedgers(AgentLedgers(folder, node, "secnet"), boot, records)


def test_with_manifests_every_agent_knows_whose_sandbox_it_is(tmp_path: Path) -> None:
    one, two = agent(tmp_path, "node-1"), agent(tmp_path, "node-2")
    one.add(request())
    two.refresh()
    assert (one.recorder("c1"), two.recorder("c1")) == (Recorder.THIS_AGENT, Recorder.OTHER_AGENT)
    assert (two.agent("c1"), two.recorder("c9"), two.alone()) == ("node-1", Recorder.NO_AGENT, False)


def test_a_sandbox_of_an_earlier_boot_has_ended(tmp_path: Path) -> None:
    agent(tmp_path, "node-1").add(request())
    assert agent(tmp_path, "node-1", boot="the next one").state("c1") is SandboxState.ENDED


@pytest.mark.kernel
def test_a_sandbox_lives_as_long_as_its_namespace_has_its_name(tmp_path: Path, netns_factory: NetnsFactory) -> None:
    namespace = netns_factory()
    one = agent(tmp_path, "node-1")
    one.add(replace(request(), netns=namespace.ref))
    assert one.state("c1") is SandboxState.LIVING
    run_in(None, ["ip", "netns", "del", namespace.name])
    assert one.state("c1") is SandboxState.UNNAMED


def test_two_sandboxes_that_look_the_same_do_not_share_a_lease(tmp_path: Path) -> None:
    one, two = agent(tmp_path, "node-1"), agent(tmp_path, "node-2")
    one.add(request())
    with pytest.raises(Busy, match="node node-1 has not given back"):
        two.add(request())
    one.add(request())
    one.keep_only(set)
    two.add(request())
    assert two.recorder("c1") is Recorder.THIS_AGENT


def test_what_the_journal_has_and_the_ledger_lacks_is_entered(tmp_path: Path) -> None:
    owner = IpamOwner(container_id="c1", ifname="eth1")
    ipam = IpamRequest(owner=owner, network=NetworkRef(namespace="default", name="blue"), config={})
    known = [record(ifname, ipam=ipam, ipam_type="pool") for ifname in ("eth1", "eth2")]
    later = agent(tmp_path, "node-1", records=known)
    assert (later.recorder("c1"), later.network_types("c1")) == (Recorder.THIS_AGENT, ("toy",))
    assert agent(tmp_path, "node-2").recorder("c1") is Recorder.OTHER_AGENT


def test_a_ledger_says_which_network_types_have_to_be_asked_what_is_left(tmp_path: Path) -> None:
    one = agent(tmp_path, "node-1")
    one.add(request())
    one.add(replace(request("eth2"), network_type="another"))
    one.add(request("eth3"))
    assert agent(tmp_path, "node-1").network_types("c1") == ("another", "toy")
    assert one.network_types("c2") == ()


def test_with_the_api_only_the_own_ledger_is_known_and_the_runtime_says_what_ended(tmp_path: Path) -> None:
    ledger = LocalLedger(SandboxLedger(tmp_path), lambda container: container == "c2")
    ledger.add(request())
    ledger.refresh()
    assert (ledger.recorder("c1"), ledger.recorder("c2")) == (Recorder.THIS_AGENT, Recorder.UNKNOWN)
    assert (ledger.state("c1"), ledger.state("c2")) == (SandboxState.LIVING, SandboxState.ENDED)
    assert (ledger.agent("c2"), ledger.alone()) == ("", False)
    ledger.keep_only(set)
    assert ledger.recorder("c1") is Recorder.UNKNOWN
