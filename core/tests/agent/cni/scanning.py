"""The plugin's JSON scanner as a filter, and texts for it."""

from __future__ import annotations

import json
import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

KEYS = ("cniVersion", "type", "prevResult", "failOpenNamespaces", "runtimeConfig")


class Request(IntEnum):
    """What a Pod asks for, as the runtime hands it (deploy/cni/annotations.h)."""

    UNKNOWN = 0
    NOTHING = 1
    NETWORKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What the scanner says of one text. values: the piece of the text that belongs to each of KEYS."""

    valid: bool
    is_secnet: bool
    passes: bool
    request: Request
    values: dict[str, bytes]


def scan(scanner: Path, texts: list[str]) -> Iterator[Scanned]:
    """Of each text."""
    frames = b"".join(struct.pack("!I", len(data)) + data for data in (text.encode() for text in texts))
    out = memoryview(subprocess.run([scanner], input=frames, capture_output=True, check=True).stdout)
    for _ in texts:
        flags, out, values = out[:4], out[4:], {}
        for key in KEYS:
            (size,) = struct.unpack("!I", out[:4])
            if size:
                values[key] = bytes(out[4 : 4 + size])
            out = out[4 + size :]
        valid, is_secnet, passes = (bool(flag) for flag in flags[:3])
        yield Scanned(valid=valid, is_secnet=is_secnet, passes=passes, request=Request(flags[3]), values=values)
    assert not out


def expected(text: str) -> dict[str, Any] | None:
    """What Python reads in it; None for what is no object of JSON."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        found = json.loads(text, parse_constant=refuse)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def spelled(rng: random.Random, item: Any) -> str:
    """JSON in the odd spellings that are allowed: blanks anywhere, any character escaped, a key twice."""
    blank = "".join(rng.choice(["", "", "", " ", "\t", "\r\n"]) for _ in range(2))
    if isinstance(item, dict):
        pairs = [f"{spelled(rng, key)}:{spelled(rng, part)}" for key, part in item.items()]
        if pairs and rng.random() < 0.1:
            pairs.append(f"{spelled(rng, next(iter(item)))}:{spelled(rng, rng.choice(list(item.values())))}")
        text = "{" + blank + ",".join(pairs) + "}"
    elif isinstance(item, list):
        text = "[" + blank + ",".join(spelled(rng, part) for part in item) + "]"
    elif isinstance(item, str) and rng.random() < 0.2:
        text = '"' + "".join(_escaped(rng, character) for character in item) + '"'
    else:
        text = json.dumps(item, ensure_ascii=rng.random() < 0.5)
    return blank + text + blank


def _escaped(rng: random.Random, character: str) -> str:
    if rng.random() < 0.3:
        return json.dumps(character, ensure_ascii=rng.random() < 0.5)[1:-1]
    data = character.encode("utf-16-le")
    units = struct.unpack(f"<{len(data) // 2}H", data)  # two of them beyond U+FFFF
    return "".join(rng.choice(["\\u%04x", "\\u%04X"]) % unit for unit in units)


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
