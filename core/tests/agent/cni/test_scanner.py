"""The plugin's JSON scanner says of every text what Python's parser says; built with sanitizers."""

from __future__ import annotations

import json
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .scanning import KEYS, expected, mutated, scan, spelled

pytestmark = pytest.mark.kernel  # a compiler is needed, as for what runs beside it

DEEPEST = 128
STRINGS = (
    "",
    "secnet",
    "kube-system",
    'a"b',
    "\\",
    "}",
    "]",
    "{",
    "\u00e9",
    "\U0001f600",
    "\n\t\b\f\r/",
    "\x7f",
    "\u0000",
)


def value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 5 else 6)
    if kind == 0:
        return rng.choice(STRINGS)
    if kind in (1, 2):
        return rng.choice([0, -1, 12345, 1.5, -0.25, 1e300, 1e-7, 2**53])
    if kind in (3, 4, 5):
        return rng.choice([True, False, None, "secnet", "x" * rng.randrange(40)])
    if kind == 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice([*KEYS, *STRINGS]): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def corpus() -> Iterator[str]:
    yield from (
        "",
        " ",
        "{",
        "{}",
        " {} ",
        "[]",
        "1",
        '"a"',
        "{}x",
        "{},",
        '{"a":1,}',
        '{"a":01}',
        '{"a":1.}',
        '{"a":.5}',
    )
    yield from (
        '{"a":-}',
        '{"a":1e}',
        '{"a":+1}',
        '{"a":tru}',
        '{"a":truex}',
        '{"a":"\\u12"}',
        '{"a":"\\ud800"}',
        "\ufeff{}",
    )
    yield from ('{"a":NaN}', '{"a":Infinity}', "{'a':1}", '{"a":"\x01"}', '{"a":"\\x"}', '{"type":"secnet\\u0000"}')
    yield '{"type":"\\u0173ecnet"}'
    yield from ('{"t\\u0079pe":"s\\u0065cnet"}', '{"type":"secne"}', '{"type":"secnett"}', '{"type":["secnet"]}')
    for depth in (DEEPEST - 2, DEEPEST - 1):
        yield '{"a":' + "[" * depth + "]" * depth + "}"
    rng = random.Random(20)
    for _ in range(4000):
        members = {key: value(rng, 1) for key in KEYS if rng.random() < 0.7}
        if rng.random() < 0.5:
            members["failOpenNamespaces"] = [rng.choice(STRINGS) for _ in range(rng.randrange(4))]
        text = spelled(rng, members | {rng.choice(STRINGS): value(rng)})
        yield text
        yield mutated(rng, text)


def test_it_agrees_with_python(scanner: Path) -> None:
    texts = list(corpus())
    accepted = 0
    for text, found in zip(texts, scan(scanner, texts), strict=True):
        want = expected(text)
        assert found.valid == (want is not None), text
        if want is None:
            continue
        accepted += 1
        assert {key: json.loads(part) for key, part in found.values.items()} == {
            key: want[key] for key in KEYS if key in want
        }
        assert all(part in text.encode() for part in found.values.values())
        assert found.is_secnet == (want.get("type") == "secnet"), text
        given = want.get("failOpenNamespaces")
        assert found.passes == (isinstance(given, list) and "kube-system" in given), text
    assert len(texts) / 3 < accepted < len(texts) * 0.9, "the corpus is lopsided"


def test_nesting_beyond_the_limit_is_refused_and_not_followed(scanner: Path) -> None:
    texts = ['{"a":' + "[" * depth + "]" * depth + "}" for depth in (DEEPEST, 1_000_000)]
    assert [found.valid for found in scan(scanner, texts)] == [False, False]


def test_bytes_that_are_no_text_do_no_harm(scanner: Path) -> None:
    rng = random.Random(4)
    good = json.dumps({"prevResult": {"a": ["b"]}, "type": "secnet"}).encode()
    frames = b""
    for _ in range(5000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        frames += struct.pack("!I", len(data)) + data
    subprocess.run([scanner], input=frames, capture_output=True, check=True)
