"""Errors as data: what they wait for survives a report, and names objects without the help of the message."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.contract import Busy, ErrorInfo, NetworkRef, ObjectRef, from_json, one_line, to_json

POOL = ObjectRef(group="crd.antrea.io", kind="IPPool", name="vlan1")


def test_what_an_error_waits_for_is_in_its_data_and_survives_a_report() -> None:
    error = Busy("no IPv4 address", waits_for=(POOL,))
    assert error.info.waits_for == (POOL,)
    assert from_json(ErrorInfo, to_json(error.info)) == error.info


def test_an_error_of_an_older_report_waits_for_nothing() -> None:
    assert from_json(ErrorInfo, {"reason": "Busy", "message": "x"}).waits_for == ()


def test_what_an_error_waits_for_is_no_part_of_its_text() -> None:
    assert str(Busy("full", waits_for=(POOL,))) == "Busy: full"


@pytest.mark.parametrize(
    ("obj", "ref"),
    [
        ({"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": "vlan1"}}, POOL),
        (
            {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
            | {"metadata": {"name": "lan", "namespace": "web"}},
            NetworkRef(namespace="web", name="lan").object_ref,
        ),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "web"}},
            ObjectRef(kind="Pod", namespace="web", name="a"),
        ),
    ],
)
def test_the_reference_of_an_object_is_the_one_that_errors_name(obj: dict[str, Any], ref: ObjectRef) -> None:
    assert ObjectRef.of(obj) == ref


def test_pools_whose_names_begin_alike_are_different_objects() -> None:
    assert ObjectRef(group=POOL.group, kind=POOL.kind, name="vlan10") not in Busy("full", waits_for=(POOL,)).waits_for


@pytest.mark.parametrize("char", ["\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\ud800"])
def test_an_error_is_one_line_whatever_stands_in_it(char: str) -> None:
    text = str(Busy(f"a{char}b", hint=f"c{char}d", subject=f"e{char}f"))
    assert char not in text
    assert text.isprintable()


def test_a_line_without_such_characters_stays_as_it_is() -> None:
    assert one_line("Grüße, 世界") == "Grüße, 世界"
