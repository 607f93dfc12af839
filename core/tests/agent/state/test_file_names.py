"""Names of files: one for each thing, whatever others called it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from secnet.agent.state._file_names import json_file

PART = st.text(alphabet=st.sampled_from("ab.%/~2E\n\u00e9"), min_size=1, max_size=4) | st.just("x" * 300)


def test_an_ordinary_name_can_be_read() -> None:
    assert json_file("0123abcd", "eth1.100") == "0123abcd.eth1.100.json"
    assert json_file("a.b", "c") == "a%2Eb.c.json"


@given(st.tuples(PART, PART), st.tuples(PART, PART))
def test_no_two_things_have_one_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (json_file(*one) == json_file(*other)) == (one == other)


@given(PART, PART)
def test_every_name_fits_into_one_directory(one: str, other: str) -> None:
    name = json_file(one, other)
    assert len(name.encode()) <= 255
    assert "/" not in name
    assert not name.startswith(".")


def test_half_a_character_has_a_name_too() -> None:
    assert json_file("\ud800") != json_file("\ud801")
