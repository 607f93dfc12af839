"""A record survives the way to disk and back, also with the names of its phase and origin as text."""

from __future__ import annotations

import json

import pytest
from secnet.agent.model.record import Origin, Phase, Record
from secnet.contract import from_json, to_json
from secnet_testing.contract_objects import record


def test_to_json_and_back() -> None:
    given = record(locks=("0000:3b:02.1",), layer3={"routes": [1]}, origin=Origin.CNI)
    assert from_json(Record, json.loads(json.dumps(to_json(given)))) == given


def test_phase_and_origin_are_their_enums_whatever_was_given() -> None:
    changed = record().replace(phase="Detaching", origin="Cni")
    assert (changed.phase, changed.origin) == (Phase.DETACHING, Origin.CNI)
    with pytest.raises(ValueError, match="Lost"):
        record().replace(phase="Lost")


def test_identity_pod_and_driver_are_those_of_the_request() -> None:
    given = record("eth2", container="c9")
    assert (given.key.container_id, given.key.ifname) == ("c9", "eth2")
    assert given.pod == given.attachment.request.pod
    assert given.network_type == "toy"
