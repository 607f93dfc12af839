"""Which Pod a network namespace belongs to."""

import pytest
from secnet.agent.sandboxes.ownership import NetnsOwnership
from secnet.contract import Conflict, NetnsRef

A, B = ("default", "a"), ("default", "b")
ONE, TWO = (NetnsRef(path=f"/run/netns/{n}", device=1, inode=n, cookie=n) for n in (1, 2))


def test_the_second_pod_is_refused_and_notified_when_the_first_lets_go() -> None:
    claims = NetnsOwnership()
    assert claims.claim(ONE, A) == set()
    with pytest.raises(Conflict, match="already belongs to Pod default/a"):
        claims.claim(ONE, B)
    assert claims.release(A) == {B}
    assert claims.claim(ONE, B) == set()


def test_a_pod_that_moves_frees_its_old_namespace() -> None:
    claims = NetnsOwnership()
    claims.claim(ONE, A)
    with pytest.raises(Conflict):
        claims.claim(ONE, B)
    assert claims.claim(TWO, A) == {B}


def test_claims_survive_in_the_records() -> None:
    claims = NetnsOwnership([(ONE, A)])
    with pytest.raises(Conflict):
        claims.claim(ONE, B)
    claims.claim(ONE, A)
    assert claims.release(A) == {B}


def test_a_namespace_made_again_with_the_same_inode_is_another() -> None:
    claims = NetnsOwnership([(ONE, A)])
    claims.claim(NetnsRef(path=ONE.path, device=ONE.device, inode=ONE.inode, cookie=99), B)
