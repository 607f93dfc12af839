"""What a runtime says of its sandboxes and containers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Exec", "PodSandbox", "SandboxState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxState:
    """One sandbox. pid: of its own process, 0 once that ended. netns: None on the host's network."""

    id: str
    ready: bool
    pid: int
    netns: str | None
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSandbox:
    """Whose sandbox it is. static: the kubelet has the Pod from a file."""

    id: str
    namespace: str
    name: str
    uid: str
    attempt: int
    ready: bool
    static: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """What a program in a container did."""

    code: int
    stdout: str
    stderr: str
