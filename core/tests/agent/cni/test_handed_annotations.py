"""What a Pod asks for: the plugin reads it in what the runtime hands, and decides as the agent does of the Pod itself."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.model.pod import NETWORKS_ANNOTATION, asks_for_networks

from .scanning import Request, expected, mutated, scan, spelled

pytestmark = pytest.mark.kernel  # a compiler is needed, as for what runs beside it

HANDED = "io.kubernetes.cri.pod-annotations"
BLANK = ("", " ", "\t\n\v\f\r ", "\n")
NOT_BLANK = (
    "a",
    "\u00a0",
    "\u2003",
    "\x00",
    "\x1c",
    " \x85 ",
    "\u3000",
    "\U0001f600",
    "\\",
    '"',
    "[]",
    '[{"name": "a b"}]',
)
KEYS = (
    NETWORKS_ANNOTATION,
    NETWORKS_ANNOTATION.upper(),
    NETWORKS_ANNOTATION[:-1],
    f"{NETWORKS_ANNOTATION}-status",
    f" {NETWORKS_ANNOTATION}",
    NETWORKS_ANNOTATION.replace("s", "\u017f"),
    NETWORKS_ANNOTATION.replace("/", "\\/"),
    f"{NETWORKS_ANNOTATION}\x00",
    "secnet.io/mirror",
    "",
)


def conf(handed: Any) -> dict[str, Any]:
    return {"type": "secnet-cni", "runtimeConfig": {HANDED: handed}}


def wanted(configuration: dict[str, Any]) -> Request:
    """The same by Python's parser and the agent's rule."""
    runtime = configuration.get("runtimeConfig")
    if not isinstance(runtime, dict) or HANDED not in runtime:
        return Request.UNKNOWN
    handed = runtime[HANDED]
    if handed is None:
        return Request.NOTHING
    if not isinstance(handed, dict):
        return Request.UNKNOWN
    text = handed.get(NETWORKS_ANNOTATION, "")
    asks = asks_for_networks({"metadata": {"annotations": handed}}) if isinstance(text, str) else True
    return Request.NETWORKS if asks else Request.NOTHING


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{}", Request.UNKNOWN),
        ('{"runtimeConfig": null}', Request.UNKNOWN),
        ('{"runtimeConfig": []}', Request.UNKNOWN),
        ('{"runtimeConfig": {"mac": "x"}}', Request.UNKNOWN),
        (json.dumps({"runtimeConfig": {"x": {HANDED: {}}}}), Request.UNKNOWN),
        (json.dumps(conf([])), Request.UNKNOWN),
        (json.dumps(conf("")), Request.UNKNOWN),
        (json.dumps(conf(None)), Request.NOTHING),
        (json.dumps(conf({})), Request.NOTHING),
        (json.dumps(conf({"a": f'{{"{NETWORKS_ANNOTATION}": "b"}}'})), Request.NOTHING),
        (json.dumps(conf({"a": {NETWORKS_ANNOTATION: "b"}})), Request.NOTHING),
        (json.dumps(conf({NETWORKS_ANNOTATION: "b"})), Request.NETWORKS),
        (json.dumps(conf({NETWORKS_ANNOTATION: None})), Request.NETWORKS),
        (json.dumps(conf({NETWORKS_ANNOTATION: "b"})).replace("/", "\\/"), Request.NETWORKS),
        (json.dumps(conf({NETWORKS_ANNOTATION: "b"})).replace("k8s.v1", "k\\u0038s\\u002Ev1"), Request.NETWORKS),
        *((json.dumps(conf({NETWORKS_ANNOTATION: text})), Request.NOTHING) for text in BLANK),
        *((json.dumps(conf({NETWORKS_ANNOTATION: text})), Request.NETWORKS) for text in NOT_BLANK),
        *((json.dumps(conf({key: "b"})), Request.NOTHING) for key in KEYS[1:]),
        (
            json.dumps(conf({"twice": "b", NETWORKS_ANNOTATION: ""})).replace("twice", NETWORKS_ANNOTATION),
            Request.NOTHING,
        ),
        (
            json.dumps(conf({"twice": "", NETWORKS_ANNOTATION: "b"})).replace("twice", NETWORKS_ANNOTATION),
            Request.NETWORKS,
        ),
    ],
)
def test_what_a_pod_asks_for(scanner: Path, text: str, result: Request) -> None:
    (found,) = scan(scanner, [text])
    assert (found.valid, found.request) == (True, result)
    assert wanted(json.loads(text)) == result


def value(rng: random.Random) -> str:
    """The value of an annotation: blank, odd, or JSON in a string, in a string."""
    text = rng.choice([*BLANK, *NOT_BLANK])
    for _ in range(rng.randrange(4)):
        text = json.dumps({rng.choice(KEYS): text, "b": [text]}, ensure_ascii=rng.random() < 0.5)
    return text


def corpus() -> Iterator[str]:
    rng = random.Random(34)
    for _ in range(4000):
        annotations = {rng.choice(KEYS): value(rng) for _ in range(rng.randrange(5))}
        if rng.random() < 0.5:
            annotations[NETWORKS_ANNOTATION] = value(rng)
        handed = rng.choice([annotations] * 8 + [None, [annotations]])
        text = spelled(rng, conf(handed) | {"prevResult": {"own": annotations}})
        yield text
        yield mutated(rng, text)


def test_plugin_and_agent_decide_alike(scanner: Path) -> None:
    texts = list(corpus())
    seen: dict[Request, int] = dict.fromkeys(Request, 0)
    for text, found in zip(texts, scan(scanner, texts), strict=True):
        want = expected(text)
        assert found.valid == (want is not None), text
        if want is not None:
            assert found.request == wanted(want), text
            seen[found.request] += 1
    assert min(seen.values()) > len(texts) / 20, seen


def test_annotations_as_long_as_the_api_takes_them(scanner: Path) -> None:
    """All keys and values of a Pod together have at most 256 KiB; every character may become six."""
    rng = random.Random(7)
    texts = []
    for networks in (None, "", "blue"):
        long = {f"example.org/{number}": '\n\x01\u00e9\U0001f600\\"' * 2000 for number in range(20)}
        texts.append(spelled(rng, conf(long if networks is None else long | {NETWORKS_ANNOTATION: networks})))
        texts.append(json.dumps(conf(long | {NETWORKS_ANNOTATION: f"{networks or ''}" + " \t" * 130_000})))
    assert min(len(text) for text in texts) > 256 * 1024
    assert [found.request for found in scan(scanner, texts)] == [wanted(json.loads(text)) for text in texts]
