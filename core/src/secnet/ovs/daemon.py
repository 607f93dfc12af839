"""Whether ovs-vswitchd lives. The rows of the database stay as they are when it dies, so it is asked on its control socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from secnet.contract import SecnetError, Unavailable, Unsupported

from .target import ask_control, socket_path

__all__ = ["SwitchDaemon"]

_SUFFIX = ".ctl"
_NAME = "ovs-vswitchd"


class SwitchDaemon:
    """The ovs-vswitchd of an OVSDB target. Its control socket is looked for beside the socket of the database.

    Thread-safe; keeps no connection. timeout: seconds for each answer.
    """

    def __init__(self, target: str, *, timeout: float = 1.0) -> None:
        path = socket_path(target)
        self._folder = None if path is None else path.parent
        self._timeout = timeout
        self._last: Path | None = None  # which socket was its own
        self._seen = False  # it answered once, so it can be asked

    def version(self, timeout: float | None = None) -> str:
        """Proof that it lives: the first line of what it says of itself. timeout: seconds, in place of the usual ones.

        Raises Unavailable if it does not run or does not answer, and Unsupported where it cannot be asked.
        """
        return self._control(timeout or self._timeout)[1]

    def flows(self, bridge: str) -> tuple[str, ...]:
        """The OpenFlow flows of a bridge, without those that ovs-vswitchd keeps for itself. Raises as `version` does."""
        path, _ = self._control(self._timeout)
        lines = ask_control(path, "bridge/dump-flows", bridge, timeout=self._timeout).splitlines()
        return tuple(line for line in lines if line and "table_id=" not in line)

    def _control(self, timeout: float) -> tuple[Path, str]:
        """Its control socket, and its version."""
        found = tuple(self._sockets())
        if not found and not self._seen:
            where = (
                f"no control socket (*{_SUFFIX}) is in {self._folder}" if self._folder else "the database is elsewhere"
            )
            raise Unsupported(
                f"ovs-vswitchd cannot be asked whether it lives: {where}",
                hint="have the agent see the whole run directory of Open vSwitch, and name its socket in ovsdb",
                subject=_NAME,
            )
        error: SecnetError | None = None
        for path in found:
            try:
                version = ask_control(path, "version", timeout=timeout)
            except SecnetError as exc:
                # One that died leaves its socket, and ovsdb-server has one too: what has the name says more.
                error = exc if error is None or path.name.startswith(_NAME) else error
                continue
            if version.startswith(_NAME):
                self._last, self._seen = path, True
                return path, version.splitlines()[0]
        self._last = None
        why = error.message if error is not None else f"no control socket of it is in {self._folder}"
        raise Unavailable(
            f"it does not answer: {why}",
            hint="start it, or look at its log why it hangs; what it forwards in userspace stands still until then",
            subject=_NAME,
        )

    def _sockets(self) -> Iterator[Path]:
        """The likeliest first."""
        if self._folder is None:
            return
        others = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: (not path.name.startswith(_NAME), path.name))
        if self._last is not None and self._last in others:
            others.remove(self._last)
            yield self._last
        yield from others
