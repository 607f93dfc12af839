"""Leases that expire: which are renewed, what is recorded, and what becomes of one that cannot be."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.attach.lease_renewal import LeaseRenewal
from secnet.agent.model.record import Record
from secnet.agent.state.journal import Journal
from secnet.contract import Call, Cancelled, IpamLease, LeaseAddress, Unavailable
from secnet_testing.scripted_plugins import Rig, fail, make_rig, toy_work

LONG, SHORT = 2000.0, 1000.0


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return make_rig(tmp_path)


def attached(rig: Rig, ifname: str = "eth1", **end: Any) -> Record:
    """An attachment whose lease has this end."""
    work = toy_work(ifname)
    assert work.ipam is not None
    address = LeaseAddress(address="10.0.0.2/24" if ifname == "eth1" else "10.0.0.3/24")
    rig.script.instead["allocate"] = lambda: IpamLease(owner=work.ipam.owner, addresses=(address,), **end)
    record: Record = rig.attach(work)
    rig.script.log.clear()
    return record


def prolonged(record: Record, **changes: Any) -> Callable[[], IpamLease]:
    assert record.attachment.lease is not None
    lease = dataclasses.replace(record.attachment.lease, **{"expires_at": LONG, "renew_at": LONG / 2, **changes})
    return lambda: lease


def renew(rig: Rig, now: float, call: Call | None = None) -> None:
    LeaseRenewal(rig.pipeline, rig.journal, clock=lambda: now).renew_due(call or Call.within(5))


def end(rig: Rig, record: Record) -> float | None:
    found = rig.journal.get(record.key)
    assert found is not None
    assert found.attachment.lease is not None
    return found.attachment.lease.expires_at


def test_a_lease_is_renewed_from_its_time_on_and_recorded(rig: Rig, tmp_path: Path) -> None:
    record = attached(rig, expires_at=SHORT, renew_at=SHORT / 2)
    rig.script.instead["renew"] = prolonged(record)
    renew(rig, now=SHORT / 2 - 1)
    assert rig.script.log == []
    renew(rig, now=SHORT / 2)
    assert (rig.script.log, end(rig, record)) == (["renew"], LONG)
    found = Journal(tmp_path).get(record.key)
    assert found is not None, "the next process knows the new end"
    assert found == record.replace(attachment=dataclasses.replace(record.attachment, lease=prolonged(record)()))


def test_without_a_time_it_is_renewed_at_each_resync(rig: Rig) -> None:
    record = attached(rig, expires_at=SHORT)
    rig.script.instead["renew"] = prolonged(record, renew_at=None)
    renew(rig, now=0)
    renew(rig, now=1)
    assert (rig.script.log, end(rig, record)) == (["renew", "renew"], LONG)


def test_a_lease_without_end_is_left_alone(rig: Rig) -> None:
    attached(rig)
    renew(rig, now=LONG)
    assert rig.script.log == []


def test_one_that_cannot_be_renewed_stops_no_other(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    first, second = attached(rig, expires_at=SHORT), attached(rig, "eth2", expires_at=SHORT)
    answers = [fail(Unavailable("the server is away")), prolonged(second)]
    rig.script.instead["renew"] = lambda: answers.pop(0)()
    renew(rig, now=SHORT - 10)
    assert (end(rig, first), end(rig, second)) == (SHORT, LONG)
    assert "ends in 10 s and cannot be renewed: Unavailable: the server is away" in caplog.text
    rig.script.instead["renew"] = fail(Unavailable("the server is away"))
    renew(rig, now=SHORT + 1)
    assert "has ended and cannot be renewed" in caplog.text


def test_other_addresses_are_no_renewal(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    record = attached(rig, expires_at=SHORT)
    rig.script.instead["renew"] = prolonged(record, addresses=(LeaseAddress(address="10.0.0.9/24"),))
    renew(rig, now=0)
    assert end(rig, record) == SHORT
    assert "renewed a lease with another owner, addresses or VLANs" in caplog.text


def test_an_attachment_that_is_worked_on_waits_for_the_next_round(rig: Rig) -> None:
    record = attached(rig, expires_at=SHORT)
    rig.script.instead["detach"] = lambda: renew(rig, now=0)
    rig.pipeline.detach(record, Call.within(5))
    assert "renew" not in rig.script.log
    assert rig.journal.get(record.key) is None


def test_a_call_that_was_withdrawn_renews_nothing(rig: Rig) -> None:
    attached(rig, expires_at=SHORT)
    call = Call.within(5)
    call.cancel.set()
    with pytest.raises(Cancelled):
        renew(rig, now=0, call=call)
    assert rig.script.log == []


def test_one_that_failed_comes_after_the_others_the_next_time(rig: Rig) -> None:
    _, second = attached(rig, expires_at=SHORT), attached(rig, "eth2", expires_at=SHORT)
    renewal = LeaseRenewal(rig.pipeline, rig.journal, clock=lambda: 1.0)
    again = prolonged(second, renew_at=0.0)
    away = fail(Unavailable("the server is away"))
    answers = [away, again, prolonged(second, expires_at=2 * LONG), away]
    rig.script.instead["renew"] = lambda: answers.pop(0)()
    for _ in range(2):
        renewal.renew_due(Call.within(5))
    assert end(rig, second) == 2 * LONG


class Timed:
    """In place of a pipeline, with no backend that hangs for a minute: it notes how long each renewal may take."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def renew_lease(self, record: Record, call: Call) -> bool:
        self.seconds.append(call.remaining())
        return False


def test_one_that_hangs_takes_a_part_of_the_round_alone(rig: Rig) -> None:
    attached(rig, expires_at=SHORT)
    timed = Timed()
    for whole in (3600, 5):
        LeaseRenewal(timed, rig.journal, clock=lambda: 0.0).renew_due(Call.within(whole))  # type: ignore[arg-type]
    first, second = timed.seconds
    assert 5 < first <= 10
    assert second <= 5
