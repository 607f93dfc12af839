"""The drawing as text: a tree, with what is broken in red and marked for those who see no colour."""

from __future__ import annotations

from collections.abc import Iterator

from ._model import Bridge, Interface, Topology

__all__ = ["draw_text"]

_RED, _PLAIN = "\x1b[31m", "\x1b[0m"
_LINES = {True: ("├─ ", "└─ ", "│  ", "   "), False: ("|- ", "`- ", "|  ", "   ")}


def draw_text(topology: Topology, *, colour: bool = False, unicode: bool = True) -> str:
    """The tree. colour: with ANSI colours. unicode: False draws with ASCII characters alone."""
    mark = "✗ " if unicode else "! "
    width = max((len(_who(item)) for item in topology.interfaces), default=0)

    def colour_of(text: str, broken: bool) -> str:
        return f"{_RED}{text}{_PLAIN}" if broken and colour else text

    def show(text: str, broken: bool) -> str:
        return colour_of(f"{mark}{text}" if broken else text, broken)

    def branches(bridge: Bridge) -> Iterator[tuple[int, str]]:
        for uplink in bridge.uplinks:
            yield 1, show(f"uplink {uplink.name}", uplink.broken)
        for segment in bridge.segments:
            level = 1
            if segment.title:
                yield 1, segment.title
                level = 2
            for item in segment.interfaces:
                yield level, colour_of(_describe(item, width + 3 * (2 - level), mark), item.broken)
        if not bridge.uplinks and not bridge.segments:
            yield 1, "no uplinks and no Pods"

    items = [(0, f"node {topology.node}: {topology.summary}")]
    for bridge in topology.bridges:
        items.append((1, show(bridge.title, bridge.broken)))
        items.extend((level + 1, text) for level, text in branches(bridge))
    lines = list(_tree(items, _LINES[unicode]))
    lines += [show(problem, True) for problem in topology.health]
    return "".join(f"{line}\n" for line in lines)


def _who(item: Interface) -> str:
    return f"{item.namespace}/{item.pod}"


def _describe(item: Interface, width: int, mark: str) -> str:
    words = [_who(item).ljust(width), item.name, ",".join(item.addresses) or "no address"]
    if item.broken:
        words.append(f"{mark}{item.phase}{': ' + item.reason if item.reason not in ('', item.phase) else ''}")
    return "  ".join(word for word in words if word)


def _tree(items: list[tuple[int, str]], lines: tuple[str, str, str, str]) -> Iterator[str]:
    """Each item behind the lines that lead to it. The level of an item is at most one more than that of the one before."""
    fork, corner, through, blank = lines
    for at, (level, text) in enumerate(items):
        lead = ""
        for depth in range(1, level + 1):
            more = _has_sibling(items, at, depth)
            last = depth == level
            lead += (fork if more else corner) if last else (through if more else blank)
        yield lead + text


def _has_sibling(items: list[tuple[int, str]], at: int, depth: int) -> bool:
    for level, _ in items[at + 1 :]:
        if level < depth:
            return False
        if level == depth:
            return True
    return False
