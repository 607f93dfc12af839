"""Which VLAN an attachment gets."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.attach._vlan import resolve_vlan
from secnet.contract import Attachment, Conflict, DriverInfo, Unsupported
from secnet_testing.contract_objects import lease, request


def resolve(own: Any = None, *pools: int, known: bool = True) -> int | None:
    options = {} if own is None else {"vlan": own}
    attachment = Attachment(request=request(options=options))
    info = DriverInfo(network_type="toy", summary="", vlan=known)
    return resolve_vlan(info, attachment, lease("10.0.0.5/24", vlans=pools) if pools else None)


@pytest.mark.parametrize(
    ("own", "pools", "vlan"),
    [(None, (), 0), (0, (), 0), (7, (), 7), (None, (100,), 100), (0, (100,), 100), (7, (100,), 7), (7, (1, 2), 7)],
)
def test_the_nad_wins_over_the_pools(own: Any, pools: tuple[int, ...], vlan: int) -> None:
    assert resolve(own, *pools) == vlan


def test_pools_that_disagree() -> None:
    with pytest.raises(Conflict, match="different VLANs: 1, 2"):
        resolve(None, 1, 2)


def test_a_type_without_vlans() -> None:
    assert resolve(known=False) is None
    with pytest.raises(Unsupported, match="VLAN 100, but network type toy has no VLANs"):
        resolve(None, 100, known=False)
