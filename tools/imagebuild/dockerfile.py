"""Reads a Dockerfile: its stages and their instructions, as far as ours goes."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Instruction", "Stage", "read_dockerfile"]

_KNOWN = {"COPY", "ENTRYPOINT", "ENV", "LABEL", "RUN", "USER", "WORKDIR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction, its lines joined."""

    word: str
    text: str

    @property
    def arguments(self) -> list[str]:
        """The words, without the options."""
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    def option(self, name: str) -> str | None:
        """The value of `--name=value`, or None."""
        found = re.search(rf"(?:^|\s)--{name}=(\S+)", self.text)
        return found[1] if found else None


@dataclass(slots=True, kw_only=True)
class Stage:
    """A stage: its name (empty for an unnamed one), the image it begins with, what is done in it."""

    name: str
    image: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """The instructions of one kind."""
        return [item for item in self.instructions if item.word == word]


def read_dockerfile(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage with their defaults, and the stages. Raises ValueError for what it does not know."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, text = line.partition(" ")
        if word == "ARG" and not stages:
            name, _, value = text.partition("=")
            arguments[name] = value
        elif word == "FROM":
            image, _, name = text.partition(" AS ")
            stages.append(Stage(name=name, image=image))
        elif word in _KNOWN and stages:
            stages[-1].instructions.append(Instruction(word=word, text=text))
        else:
            raise ValueError(f"{path}: {line!r} is not understood")
    return arguments, stages
