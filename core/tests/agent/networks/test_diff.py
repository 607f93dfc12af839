"""The comparison of records with the annotation."""

from secnet.agent.model.record import Phase
from secnet.agent.model.work import Ignored, Rejected
from secnet.agent.networks.desired import diff
from secnet.contract import InvalidConfig, ObjectNotFound
from secnet_testing.contract_objects import record, selection_id, work


def test_what_is_attached_as_asked_stays() -> None:
    old = record()
    changes = diff([old], [work()], "c1")
    assert [kept for kept, _ in changes.keep] == [old]
    assert (changes.remove, changes.attach) == ((), ())


def test_a_new_selection_is_attached_and_a_missing_one_removed() -> None:
    old, new = (
        record(name="red", selection_id=selection_id("red")),
        work(name="green", selection_id=selection_id("green")),
    )
    changes = diff([old], [new], "c1")
    assert changes.remove == (old,)
    assert changes.attach == (new,)


def test_a_changed_request_makes_a_new_attachment() -> None:
    old, new = (
        record(attachment_options={"mac": "02:00:00:00:00:01"}),
        work(attachment_options={"mac": "02:00:00:00:00:02"}),
    )
    changes = diff([old], [new], "c1")
    assert (changes.remove, changes.attach, changes.keep) == ((old,), (new,), ())


def test_a_request_is_equal_after_a_round_trip_through_the_journal() -> None:
    attachment_options = {"ips": ("10.0.0.2",), "default_route": ()}
    assert diff(
        [record(attachment_options=attachment_options)], [work(attachment_options=attachment_options)], "c1"
    ).keep


def test_another_sandbox_and_half_built_attachments_are_removed_and_recreated() -> None:
    dead, half = record(container="c0"), record(phase=Phase.ATTACHING, name="red", selection_id=selection_id("red"))
    wanted = [work(), work("eth2", name="red", selection_id=selection_id("red"))]
    changes = diff([dead, half], wanted, "c1")
    assert set(map(id, changes.remove)) == {id(dead), id(half)}
    assert changes.attach == tuple(wanted)


def test_a_living_attachment_survives_the_loss_or_retyping_of_its_nad() -> None:
    old = record()
    gone = Rejected(selection_id=old.selection_id, ifname="eth1", error=ObjectNotFound("no NAD"))
    assert diff([old], [gone], "c1").keep == ((old, gone),)
    foreign = Ignored(selection_id=old.selection_id)
    assert diff([old], [foreign], "c1").keep == ((old, foreign),)


def test_a_rejected_selection_without_record_is_reported_only() -> None:
    gone = Rejected(selection_id=selection_id(), ifname="eth1", error=ObjectNotFound("no NAD"))
    changes = diff([], [gone], "c1")
    assert (changes.rejected, changes.attach, changes.remove) == ((gone,), (), ())


def test_the_same_nad_twice_is_two_attachments() -> None:
    first, second = (
        work("eth1", selection_id=selection_id(ordinal=0)),
        work("eth2", selection_id=selection_id(ordinal=1)),
    )
    old = record("eth1", selection_id=selection_id(ordinal=0))
    changes = diff([old], [first, second], "c1")
    assert changes.attach == (second,)


def _unclear() -> Rejected:
    unknown = selection_id("$[1]")
    return Rejected(selection_id=unknown, ifname="eth3", error=InvalidConfig("bad name"), unidentified=True)


def test_no_living_attachment_is_removed_while_an_selection_cannot_be_identified() -> None:
    old, unclear = record(name="red", selection_id=selection_id("red")), _unclear()
    new = work(name="green", selection_id=selection_id("green"))
    changes = diff([old], [new, unclear], "c1")
    assert (changes.remove, changes.attach) == ((), (new,))
    assert changes.keep == ((old, unclear),)
    assert changes.order == (new.selection_id, unclear.selection_id, old.selection_id)


def test_no_living_attachment_is_replaced_while_an_selection_cannot_be_identified() -> None:
    old, unclear = record(attachment_options={"mac": "02:00:00:00:00:01"}), _unclear()
    changed = work(attachment_options={"mac": "02:00:00:00:00:02"})
    assert diff([old], [changed, unclear], "c1").keep == ((old, unclear),)
    assert diff([old], [work(attachment_options=old.attachment_options), unclear], "c1").keep[0][1] is not unclear


def test_what_another_sandbox_left_is_removed_all_the_same() -> None:
    dead = record(container="c0")
    assert diff([dead], [_unclear()], "c1").remove == (dead,)
