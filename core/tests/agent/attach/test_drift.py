"""What a check found, as the error that is shown."""

from __future__ import annotations

from secnet.agent.attach import drift
from secnet.contract import ADDRESS_OF_ANOTHER, Finding

GONE = Finding(code="NoSuchLink", message="the link is gone")
UNLISTED = Finding(code="NotListed", message="the pool does not list it")
ANOTHER = Finding(code=ADDRESS_OF_ANOTHER, message="it belongs to another Pod")


def test_findings_of_the_interface_degrade_it() -> None:
    error = drift.drift_error([GONE], [UNLISTED])
    assert error is not None
    assert (error.reason, error.message) == ("Degraded", "the link is gone; the pool does not list it")


def test_a_pool_that_lacks_the_address_makes_no_pod_unready_and_an_address_of_another_may() -> None:
    unlisted, another = drift.drift_error([], [UNLISTED]), drift.drift_error([], [ANOTHER])
    assert unlisted is not None
    assert another is not None
    assert (unlisted.reason, another.reason) == ("LeaseNotListed", "Degraded")


def test_an_advisory_finding_has_its_own_reason_and_hides_in_no_other() -> None:
    note = Finding(code="DuplicateMac", message="another has the MAC", repairable=False, advisory=True)
    alone, with_lease, degraded = (
        drift.drift_error(*args) for args in (([note], []), ([note], [UNLISTED]), ([note, GONE], []))
    )
    assert alone is not None
    assert with_lease is not None
    assert degraded is not None
    assert [each.reason for each in (alone, with_lease, degraded)] == ["DuplicateMac", "DuplicateMac", "Degraded"]
    assert with_lease.message == "another has the MAC; the pool does not list it"
    assert degraded.message == "another has the MAC; the link is gone"


def test_nothing_found_is_no_error() -> None:
    assert drift.drift_error([], []) is None
