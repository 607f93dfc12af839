"""The report: which test of the kit had which outcome for which plugin."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Report", "Row"]

_WORDS = {"passed": "pass", "failed": "**FAIL**", "skipped": "skipped", "n/a": "n/a", "not ready": "not ready"}
_RANK = ("failed", "skipped", "passed", "not ready", "n/a", "not run")
"""What a cell says when it stands for several runs of a test: the first of these that occurred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test of one plugin.

    capability: the one that the test is about, or empty. note: why it does not run (`not ready: ...`, or why it does not
    apply); empty if it does.
    """

    plugin: str
    group: str
    test: str
    capability: str = ""
    note: str = ""

    @property
    def outcome(self) -> str:
        """Before it ran."""
        if not self.note:
            return "not run"
        return "not ready" if self.note.startswith("not ready") else "n/a"


class Report:
    """Collects outcomes during a run, and says them as a table for people or as Markdown."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._outcomes: dict[str, str] = {}
        self._notes: dict[str, dict[str, None]] = {}
        self._lacks: dict[str, dict[str, None]] = {}

    def expect(self, nodeid: str, row: Row) -> None:
        """A test that belongs to a suite, whether it will run or not."""
        self._rows[nodeid] = row
        self._outcomes[nodeid] = row.outcome
        if row.note:
            self._add_note(row, row.note)

    def lacks(self, plugin: str, what: str) -> None:
        """What no test shows of a plugin, as its case does not say how."""
        self._lacks.setdefault(plugin, {})[what] = None

    def note(self, nodeid: str, outcome: str, reason: str, *, is_call: bool) -> None:
        """The outcome of a phase of a test: `passed` counts only for the test itself."""
        row = self._rows.get(nodeid)
        if row is None or self._outcomes[nodeid] == "failed":
            return
        if is_call or outcome != "passed":
            self._outcomes[nodeid] = outcome
        if outcome in ("skipped", "n/a"):
            self._add_note(row, reason.removeprefix("Skipped: "))

    def _add_note(self, row: Row, note: str) -> None:
        self._notes.setdefault(row.plugin, {})[note if note.startswith("not ready") else f"{row.test}: {note}"] = None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON data, for another process to `merge`."""
        rows = {nodeid: dataclasses.asdict(row) for nodeid, row in self._rows.items()}
        return {
            "rows": rows,
            "outcomes": self._outcomes,
            "notes": {key: list(notes) for key, notes in self._notes.items()},
        }

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add what another process knows. Each of them collects every test and runs some."""
        for nodeid, fields in data["rows"].items():
            self._rows.setdefault(nodeid, Row(**fields))
            if self._outcomes.get(nodeid, "not run") == "not run":
                self._outcomes[nodeid] = data["outcomes"][nodeid]
        for plugin, notes in data["notes"].items():
            self._notes.setdefault(plugin, {}).update(dict.fromkeys(notes))

    def lines(self) -> Iterator[str]:
        """One line for each plugin and group, for the terminal."""
        cells: dict[tuple[str, str], Counter[str]] = {}
        for nodeid, row in self._rows.items():
            cells.setdefault((row.plugin, row.group), Counter())[self._outcomes[nodeid]] += 1
        if not cells:
            return
        width = max(len(group) for _, group in cells)
        yield "secnet conformance:"
        shown = ""
        for (plugin, group), counts in cells.items():
            if plugin != shown:
                yield f"  {plugin}"
                yield from (f"    not shown: {what}" for what in self._lacks.get(plugin, ()))
                shown = plugin
            words = ", ".join(f"{counts[outcome]} {outcome}" for outcome in (*_RANK,) if counts[outcome])
            yield f"    {group:<{width}}  {words}{self._why(plugin) if counts['not ready'] else ''}"

    def _why(self, plugin: str) -> str:
        reason = next((note for note in self._notes.get(plugin, {}) if note.startswith("not ready")), "")
        return reason.removeprefix("not ready")

    def markdown(self) -> str:
        """Every test as a row, every plugin as a column; then why something did not run."""
        plugins = list(dict.fromkeys(row.plugin for row in self._rows.values()))
        tests = list(dict.fromkeys((row.group, row.test, row.capability) for row in self._rows.values()))
        lines = [f"| group | test | capability | {' | '.join(plugins)} |", f"|---|---|---|{'---|' * len(plugins)}"]
        for group, test, capability in tests:
            cells = [self._cell(plugin, group, test, capability) for plugin in plugins]
            name = test.removeprefix("test_").replace("_", " ")
            lines.append(f"| {group} | {name} | {capability} | {' | '.join(cells)} |")
        for plugin in plugins:
            notes = [f"not shown: {what}" for what in self._lacks.get(plugin, ())] + list(self._notes.get(plugin, ()))
            lines += ["", f"{plugin}:", *(f"- {note}" for note in notes)] if notes else []
        return "\n".join(lines) + "\n"

    def _cell(self, plugin: str, group: str, test: str, capability: str) -> str:
        counts = Counter(
            self._outcomes[nodeid]
            for nodeid, row in self._rows.items()
            if (row.plugin, row.group, row.test, row.capability) == (plugin, group, test, capability)
        )
        worst = next((outcome for outcome in _RANK if counts[outcome]), "")
        times = f" ({counts.total()})" if counts.total() > 1 and worst == "passed" else ""
        return f"{_WORDS.get(worst, worst)}{times}"
