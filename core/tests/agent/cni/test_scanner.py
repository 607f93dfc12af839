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

from .conftest import SOURCES

pytestmark = pytest.mark.kernel  # a compiler is needed, as for what runs beside it

KEYS = ("cniVersion", "type", "prevResult", "failOpenNamespaces")
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


@pytest.fixture(scope="module")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("snscan") / "scan"
    flags = ["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [Path(__file__).with_name("scan_main.c"), SOURCES / "json.c"]
    subprocess.run(["cc", *flags, f"-I{SOURCES}", *sources, "-o", target], check=True)
    return target


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


def spelled(rng: random.Random, item: Any) -> str:
    """JSON in the odd spellings that are allowed: blanks anywhere, any character escaped, a key twice."""
    blank = "".join(rng.choice(["", "", "", " ", "\t", "\r\n"]) for _ in range(2))
    if isinstance(item, dict):
        pairs = [f"{spelled(rng, key)}:{spelled(rng, part)}" for key, part in item.items()]
        if pairs and rng.random() < 0.1:
            pairs.append(f"{spelled(rng, next(iter(item)))}:{spelled(rng, value(rng, 5))}")
        text = "{" + blank + ",".join(pairs) + "}"
    elif isinstance(item, list):
        text = "[" + blank + ",".join(spelled(rng, part) for part in item) + "]"
    elif isinstance(item, str) and rng.random() < 0.2:
        units = struct.unpack(f"<{len(item.encode('utf-16-le')) // 2}H", item.encode("utf-16-le"))
        text = '"' + "".join(rng.choice(["\\u%04x", "\\u%04X"]) % unit for unit in units) + '"'
    else:
        text = json.dumps(item, ensure_ascii=rng.random() < 0.5)
    return blank + text + blank


def mutated(rng: random.Random, text: str) -> str:
    characters = list(text)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(characters) + 1)
        match rng.randrange(4):
            case 0:
                del characters[place : place + 1]
            case 1:
                characters.insert(place, rng.choice('{}[]",:\\u0e.-+1tfn \x01\x1f\u00e9'))
            case 2:
                del characters[place:]
            case _:
                start = rng.randrange(len(characters) + 1)
                characters[place:place] = characters[start : start + rng.randrange(6)]
    return "".join(characters)


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


def expected(text: str) -> dict[str, Any] | None:
    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        found = json.loads(text, parse_constant=refuse)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def scan(scanner: Path, texts: list[str]) -> Iterator[tuple[bool, bool, bool, dict[str, bytes]]]:
    frames = b"".join(struct.pack("!I", len(data)) + data for data in (text.encode() for text in texts))
    out = memoryview(subprocess.run([scanner], input=frames, capture_output=True, check=True).stdout)
    for _ in texts:
        flags, out, values = out[:3], out[3:], {}
        for key in KEYS:
            (size,) = struct.unpack("!I", out[:4])
            if size:
                values[key] = bytes(out[4 : 4 + size])
            out = out[4 + size :]
        yield bool(flags[0]), bool(flags[1]), bool(flags[2]), values
    assert not out


def test_it_agrees_with_python(scanner: Path) -> None:
    texts = list(corpus())
    accepted = 0
    for text, (valid, is_secnet, passes, values) in zip(texts, scan(scanner, texts), strict=True):
        want = expected(text)
        assert valid == (want is not None), text
        if want is None:
            continue
        accepted += 1
        assert {key: json.loads(part) for key, part in values.items()} == {
            key: want[key] for key in KEYS if key in want
        }
        assert all(part in text.encode() for part in values.values())
        assert is_secnet == (want.get("type") == "secnet"), text
        given = want.get("failOpenNamespaces")
        assert passes == (isinstance(given, list) and "kube-system" in given), text
    assert len(texts) / 3 < accepted < len(texts) * 0.9, "the corpus is lopsided"


def test_nesting_beyond_the_limit_is_refused_and_not_followed(scanner: Path) -> None:
    texts = ['{"a":' + "[" * depth + "]" * depth + "}" for depth in (DEEPEST, 1_000_000)]
    assert [valid for valid, *_ in scan(scanner, texts)] == [False, False]


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
