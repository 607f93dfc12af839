"""One live connection to the OVSDB server: ovsdbapp's thread with its local copy, watched for what it does not notice.

What the library leaves open (measured with ovsdbapp 3.0 and ovs 4.0) is closed here: its stock transaction waits for
ovs-vswitchd on the one thread that all share; a lost server leaves the copy readable, and a hung one is not noticed at all on a
unix socket. So transactions do not wait, and every use first proves that the server answers and that the copy is live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ovs.db.idl import Idl, SchemaHelper
from ovsdbapp import exceptions
from ovsdbapp.backend.ovs_idl import connection, idlutils, transaction

from secnet.contract import Call, SecnetError, Timeout, Unavailable

from . import target as server
from .errors import from_text
from .group import GroupCommit
from .rows import COLUMNS

__all__ = ["Session"]

T = TypeVar("T")

_PROBE_MS = 3000  # how long the library's thread may be stuck in a transaction with a hung server, twice
_RECONNECT_MS = 1000  # the least that the library allows; its own default doubles up to 8 s
_PAUSE = 0.02
_CANCEL_PAUSE = 0.25
_STOP_SECONDS = 10.0


class _Copy(connection.OvsdbIdl):  # type: ignore[misc]  # ovsdbapp has no types
    """The local copy; notifies waiters for an interface that its row changed.

    After a reconnect the server's rows come again as creations, which only wakes a waiter once more.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._waiting: dict[str, set[threading.Event]] = {}
        self._guard = threading.Lock()
        super().__init__(*args, **kwargs)

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        if row._table.name == "Interface" and event != "delete":
            with self._guard:
                for waiting in self._waiting.get(row.name, ()):
                    waiting.set()

    @contextmanager
    def watch(self, interface: str) -> Iterator[threading.Event]:
        """An event that is set whenever the row of the interface changes."""
        event = threading.Event()
        with self._guard:
            self._waiting.setdefault(interface, set()).add(event)
        try:
            yield event
        finally:
            with self._guard:
                waiting = self._waiting[interface]
                waiting.discard(event)
                if not waiting:
                    del self._waiting[interface]


class _Api:
    """What the library's transactions and our commands need to know."""

    def __init__(self, copy: _Copy) -> None:
        self.idl = copy
        self.tables = copy.tables


class Session:
    """An open connection. Thread-safe.

    timeout: seconds that the server may take to answer one request. checkpoint: called again and again while it connects;
    what it raises ends the connecting.
    """

    def __init__(self, target: str, timeout: float, call: Call, checkpoint: Callable[[], object]) -> None:
        self._target = target
        self._timeout = timeout
        deadline = time.monotonic() + call.remaining(timeout)
        helper = SchemaHelper(schema_json=server.read_schema(target, call.remaining(timeout), checkpoint))
        for table, columns in COLUMNS.items():
            helper.register_columns(table, columns)
        self._copy = _Copy(target, helper, probe_interval=_PROBE_MS, leader_only=False)
        # The library gives no other way to its back-off.
        self._copy._session.reconnect.set_backoff(_RECONNECT_MS, _RECONNECT_MS)
        for table in ("Bridge", "Port", "Interface"):
            self._copy.tables[table].rows.index_create("name").add_column("name")
        self._connection = connection.Connection(self._copy, timeout=timeout)
        self.api = _Api(self._copy)
        self._group = GroupCommit(self._run)
        self._answered = float("-inf")  # when the server did
        self._answers: dict[Hashable, Any] = {}  # to questions, of one state of the copy
        self._answers_of = self._copy.change_seqno
        try:
            self._fill(deadline, checkpoint)
            self._connection.start()
        except BaseException as exc:
            self._copy.close()
            self._connection.txns.close()
            if isinstance(exc, SecnetError) or not isinstance(exc, Exception):
                raise
            raise Unavailable(
                f"the contents of the OVS database could not be read: {exc}",
                hint="it is tried again; check ovsdb-server's log",
                subject=target,
            ) from exc

    def _fill(self, deadline: float, checkpoint: Callable[[], object]) -> None:
        """Read the database into the copy. The library would do it at its start, but deaf until the timeout."""
        seqno = self._copy.change_seqno
        while True:
            checkpoint()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the server does not send them")
            try:
                idlutils.wait_for_change(self._copy, min(left, _CANCEL_PAUSE), seqno)
            except exceptions.TimeoutException:
                continue
            return

    def read(self, function: Callable[[Any], T], call: Call, *, question: Hashable = None, age: float = 0.0) -> T:
        """What `function` finds in the tables, at a moment when they are the server's.

        age: how many seconds ago the server may have answered last, for callers that read much in a short time.
        question: a name for what is asked, under which the answer is kept until any row changes: a check of all Pods asks for
        a hundred ports, of which none changed (turning a row into values costs 0.1 ms, measured).
        """
        deadline = time.monotonic() + call.remaining(self._timeout)
        if time.monotonic() - self._answered < age:
            with self._locked(deadline):
                if self._live():
                    return self._answer(function, question)
        server.echo(self._target, call.remaining(self._timeout), call.checkpoint)
        deadline = time.monotonic() + call.remaining(self._timeout)
        while True:
            with self._locked(deadline):
                # What the server sent before its answer may still lie in the socket: the library's thread had no turn yet.
                while self._copy.run():
                    pass
                if self._live():
                    self._answered = time.monotonic()
                    return self._answer(function, question)
            if time.monotonic() >= deadline:
                raise Unavailable(
                    "the connection to the OVSDB server is not back yet", hint="it is tried again", subject=self._target
                )
            call.sleep(_PAUSE)

    def _answer(self, function: Callable[[Any], T], question: Hashable) -> T:
        """The lock is held: every change of rows holds it as well.

        The number grows with each change; row notifications do not cover the moment when the copy is emptied.
        """
        if self._copy.change_seqno != self._answers_of:
            self._answers_of = self._copy.change_seqno
            self._answers.clear()
        answers = self._answers
        if question is None or question not in answers:
            answer = function(self.api.tables)
            if question is None:
                return answer
            answers[question] = answer
        known: T = answers[question]
        return known

    def peek(self, function: Callable[[Any], T], call: Call) -> T:
        """`read` without asking the server: for a loop that an event of the server wakes."""
        with self._locked(time.monotonic() + call.remaining(self._timeout)):
            return function(self.api.tables)

    @contextmanager
    def _locked(self, deadline: float) -> Iterator[None]:
        if not self._connection.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise Unavailable(
                "the OVSDB server keeps an earlier request waiting",
                hint="it is tried again; look whether ovsdb-server hangs",
                subject=self._target,
            )
        try:
            yield
        finally:
            self._connection.lock.release()

    def _live(self) -> bool:
        """Whether the copy follows the server. Of two things: the state stays at MONITORING while a lost connection is made
        again.
        """
        copy = self._copy
        connected = copy._session.is_connected() and copy._last_seqno == copy._session.get_seqno()
        return bool(connected and copy.state == Idl.IDL_S_MONITORING)

    def commit(self, make: Callable[[Any], Any], doing: str, subject: str, call: Call) -> Any:
        """Run a command, without waiting for ovs-vswitchd; returns its result. It happens as a whole or not at all.

        Commands that meet share a transaction (see `GroupCommit`).

        After Timeout the change may still happen (measured): read back, or repeat it.
        """
        self.read(lambda _: None, call)
        limit = call.remaining(self._timeout)
        try:
            return self._group.commit(make, limit)
        except exceptions.TimeoutException as exc:
            raise Timeout(
                f"{doing}: the OVSDB server did not finish within {limit:.1f} s",
                hint="it is tried again; look whether ovsdb-server hangs",
                subject=subject,
            ) from exc
        except RuntimeError as exc:  # the library's word for a refusal by the server
            raise from_text(str(exc), doing, subject) from exc

    def _run(self, makes: Sequence[Callable[[Any], Any]], limit: float) -> list[Any]:
        """Several commands in one transaction: all of them or none."""
        work = transaction.Transaction(self.api, self._connection, timeout=limit, check_error=True, log_errors=False)
        commands = [work.add(make(self.api)) for make in makes]
        work.commit()
        return [command.result for command in commands]

    @contextmanager
    def watching(self, interface: str, call: Call) -> Iterator[Callable[[], bool]]:
        """Gives a function that waits until the interface's row changes, a little while at most; False at the deadline."""
        deadline = time.monotonic() + call.remaining(self._timeout)
        with self._copy.watch(interface) as event:

            def wait() -> bool:
                call.checkpoint()
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if event.wait(min(left, _CANCEL_PAUSE)):
                    event.clear()
                return True

            yield wait

    def close(self) -> None:
        """End the thread and close its descriptors."""
        if self._connection.stop(_STOP_SECONDS):
            self._connection.txns.close()
