"""Every error of the contract has a CNI code; the codes are fixed."""

from __future__ import annotations

import pytest
from secnet import contract
from secnet.agent.cni._errors import INTERNAL, InvalidCniCall, code_of, error_result
from secnet.agent.networks.annotation import InvalidAnnotation
from secnet.contract import SecnetError

CODES = {
    "NotReady": 11,
    "ObjectNotFound": 11,
    "Busy": 11,
    "StoreConflict": 11,
    "Timeout": 11,
    "Unavailable": 11,
    "VerifyFailed": 11,
    "Retryable": 11,
    "Cancelled": 11,
    "Gone": 3,
    "InvalidConfig": 7,
    "Permanent": 7,
    "Unsupported": 100,
    "MissingPrivilege": 101,
    "Conflict": 102,
    "ContractViolation": 103,
}
CLASSES = [
    item
    for name in contract.__all__
    if isinstance(item := getattr(contract, name), type) and issubclass(item, SecnetError) and item is not SecnetError
]


def test_none_is_forgotten() -> None:
    assert {cls.__name__ for cls in CLASSES} == set(CODES)


@pytest.mark.parametrize("cls", CLASSES)
def test_its_code(cls: type[SecnetError]) -> None:
    assert code_of(cls("x")) == CODES[cls.__name__]


def test_what_follows_from_another_class_has_its_code() -> None:
    assert code_of(InvalidAnnotation("x")) == 7
    assert code_of(InvalidCniCall(4, "x")) == 4
    assert code_of(SecnetError("x")) == INTERNAL


def test_the_object_names_reason_subject_path_and_remedy() -> None:
    error = contract.InvalidConfig("no number", hint="write one", subject="NAD a/b", path="$.vlan")
    assert error_result("0.4.0", error) == {
        "cniVersion": "0.4.0",
        "code": 7,
        "msg": "InvalidConfig: NAD a/b: $.vlan: no number",
        "details": "write one",
    }
