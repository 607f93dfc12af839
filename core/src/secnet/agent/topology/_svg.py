"""The drawing as SVG. It brings its own background, so that it reads alike on light and on dark pages.

All positions follow from the counts of things and from a font whose characters are equally wide: the same topology gives the
same bytes, and no text has to be measured.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from ._model import Bridge, Interface, Segment, Topology

__all__ = ["draw_svg"]

_WIDTH = 1200
_MARGIN = 24
_FONT = 12
_CHARACTER = 7.25  # width of one character of a monospaced font of 12 px, at most
_COLUMNS = 4
_CARD, _CARD_HEIGHT, _GAP = 244.0, 58.0, 10.0
_LANE_LABEL = 118
_HEADER = 34
_UPLINK_LABEL = 64  # leaves room for eight uplinks with the longest names
_CHIP_HEIGHT, _WIRE = 26, 16
_LINE = 18

_PAGE, _PANEL, _PAPER, _EDGE = "#eceff3", "#ffffff", "#f8f9fb", "#c3cad4"
_TEXT, _SOFT, _RED, _PALE_RED, _DARK = "#1d2733", "#5a6675", "#c42b2b", "#fdeeee", "#34465c"
_LANES = ("#2f6fb3", "#2f8f5b", "#8a5cb8", "#b3721f", "#1f8a92", "#a8487c", "#6b7a1f", "#5560c0")

_STYLE = (
    f"text{{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:{_FONT}px;fill:{_TEXT}}}"
    f".b{{font-weight:bold}}.s{{fill:{_SOFT}}}.r{{fill:{_RED}}}.w{{fill:#ffffff;font-weight:bold}}.t{{font-size:18px}}"
)


def draw_svg(topology: Topology) -> str:
    """The picture as a text of its own, 1200 units wide and as high as it must be."""
    canvas = _Canvas()
    canvas.text(_MARGIN, 38, _cut(f"node {topology.node}", 100), "t b")
    canvas.text(_MARGIN, 60, topology.summary, "r" if topology.broken else "s")
    y = 80.0
    for bridge in topology.bridges:
        y = _draw_bridge(canvas, bridge, y) + 20
    if topology.health:
        y = _draw_problems(canvas, topology.health, y)
    return canvas.page(y + _MARGIN - 20)


class _Canvas:
    """Collects elements."""

    def __init__(self) -> None:
        self._components: list[str] = []

    def text(self, x: float, y: float, text: str, style: str = "", *, anchor: str = "start") -> None:
        """One line of text, whose base line is y."""
        attributes = f' class="{style}"' if style else ""
        attributes += f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._components.append(f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(text)}</text>')

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, edge: str = "none", *, dash: str = ""
    ) -> None:
        """A rectangle with round corners."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._components.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{fill}" stroke="{edge}"{dashed}/>'
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 2, *, dash: str = ""
    ) -> None:
        """A straight line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._components.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'
        )

    def begin(self, title: str) -> None:
        """Begin a group that shows `title` under the pointer."""
        self._components.append(f"<g><title>{escape(title)}</title>")

    def end(self) -> None:
        """End a group."""
        self._components.append("</g>")

    def page(self, height: float) -> str:
        """Everything, on a page."""
        size = f'width="{_WIDTH}" height="{height:g}" viewBox="0 0 {_WIDTH} {height:g}"'
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr("networks of a node")}>'
        )
        back = f'<rect width="{_WIDTH}" height="{height:g}" fill="{_PAGE}"/>'
        return "\n".join([head, f"<style>{_STYLE}</style>", back, *self._components, "</svg>"]) + "\n"


def _draw_bridge(canvas: _Canvas, bridge: Bridge, y: float) -> float:
    """Uplinks, wires, and below them the bridge as a panel; returns where it ends."""
    left, width = _MARGIN, _WIDTH - 2 * _MARGIN
    y = _draw_uplinks(canvas, bridge, y)
    height = _HEADER + sum(_lane_height(segment) for segment in bridge.segments) + (_GAP if bridge.segments else 0)
    loose = bridge.kind == ""
    canvas.box(left, y, width, height, _PANEL, _RED if bridge.broken else _EDGE, dash="6 4" if loose else "")
    canvas.box(left, y, width, _HEADER, _RED if bridge.broken or loose else _DARK)
    canvas.text(left + 14, y + 22, _cut(bridge.title, 60), "w")
    count = sum(len(segment.interfaces) for segment in bridge.segments)
    canvas.text(left + width - 14, y + 22, f"{count} interface{'' if count == 1 else 's'}", "w", anchor="end")
    y += _HEADER
    for number, segment in enumerate(bridge.segments):
        _draw_lane(canvas, segment, y, _RED if loose else _LANES[number % len(_LANES)])
        y += _lane_height(segment)
    return y + (_GAP if bridge.segments else 0)


def _draw_uplinks(canvas: _Canvas, bridge: Bridge, y: float) -> float:
    """The wires end at the bridge's upper edge."""
    if not bridge.uplinks:
        return y
    canvas.text(_MARGIN, y + 17, f"uplink{'' if len(bridge.uplinks) == 1 else 's'}", "s")
    x = float(_MARGIN + _UPLINK_LABEL)
    for uplink in bridge.uplinks:
        width = len(uplink.name) * _CHARACTER + 16
        colour = _RED if uplink.broken else _DARK
        dash = "4 3" if uplink.broken else ""
        canvas.line(x + width / 2, y + _CHIP_HEIGHT, x + width / 2, y + _CHIP_HEIGHT + _WIRE, colour, 3, dash=dash)
        canvas.box(x, y, width, _CHIP_HEIGHT, _PALE_RED if uplink.broken else _PANEL, colour)
        canvas.text(x + 8, y + 17, uplink.name, "r b" if uplink.broken else "b")
        x += width + 8
    return y + _CHIP_HEIGHT + _WIRE


def _lane_height(segment: Segment) -> float:
    rows = -(-len(segment.interfaces) // _COLUMNS)
    return _GAP + rows * (_CARD_HEIGHT + _GAP)


def _draw_lane(canvas: _Canvas, segment: Segment, y: float, colour: str) -> None:
    """The VLAN as a rail, its label on the left, its interfaces as cards on the right."""
    x = _MARGIN + 14
    height = _lane_height(segment) - _GAP
    canvas.box(x, y + _GAP, 6, height - _GAP, colour)
    if segment.title:
        canvas.text(x + 16, y + _GAP + 18, segment.title, "b")
        count = len(segment.interfaces)
        canvas.text(x + 16, y + _GAP + 36, f"{count} interface{'' if count == 1 else 's'}", "s")
    for number, item in enumerate(segment.interfaces):
        row, column = divmod(number, _COLUMNS)
        left = x + _LANE_LABEL + column * (_CARD + _GAP)
        _draw_card(canvas, item, left, y + _GAP + row * (_CARD_HEIGHT + _GAP), colour)


def _draw_card(canvas: _Canvas, item: Interface, x: float, y: float, colour: str) -> None:
    room = int((_CARD - 22) / _CHARACTER)
    canvas.begin(_title(item))
    canvas.box(x, y, _CARD, _CARD_HEIGHT, _PALE_RED if item.broken else _PAPER, _RED if item.broken else _EDGE)
    canvas.box(x, y, 4, _CARD_HEIGHT, _RED if item.broken else colour)
    canvas.text(x + 14, y + 17, _cut(item.pod, room), "r b" if item.broken else "b")
    canvas.text(x + 14, y + 33, _cut(f"{item.name or item.network} in {item.namespace}", room), "s")
    if item.broken:
        canvas.text(x + 14, y + 49, _cut(item.reason or item.phase, room), "r")
    else:
        canvas.text(x + 14, y + 49, _addresses(item, room))
    canvas.end()


def _draw_problems(canvas: _Canvas, health: Iterable[str], y: float) -> float:
    """What is wrong in full, as the cards have no room for it."""
    room = int((_WIDTH - 2 * _MARGIN - 28) / _CHARACTER)
    blocks = [textwrap.wrap(problem, room, subsequent_indent="  ") for problem in health]
    height = 36 + _LINE * sum(map(len, blocks)) + 6
    canvas.box(_MARGIN, y, _WIDTH - 2 * _MARGIN, height, _PANEL, _RED)
    canvas.text(_MARGIN + 14, y + 23, "what is wrong", "r b")
    at = y + 36.0
    for block in blocks:
        for line in block:
            at += _LINE
            canvas.text(_MARGIN + 14, at - 5, line)
    return y + height + 20


def _title(item: Interface) -> str:
    words = (f"Pod {item.namespace}/{item.pod}", item.name, item.network, *item.addresses, item.phase, item.problem)
    return "\n".join(word for word in words if word)


def _addresses(item: Interface, room: int) -> str:
    """As many as fit, and how many do not."""
    if not item.addresses:
        return "no address"
    for shown in range(len(item.addresses), 0, -1):
        left = len(item.addresses) - shown
        text = " ".join(item.addresses[:shown]) + (f" +{left}" if left else "")
        if len(text) <= room:
            return text
    return _cut(item.addresses[0], room)


def _cut(text: str, room: int) -> str:
    """The text, shortened in its middle: names of Pods differ at their end."""
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[-(room - 1 - head) :]}"
