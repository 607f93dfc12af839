"""What the status codes of gRPC become."""

from __future__ import annotations

import pytest
from secnet.agent.sandboxes.cri import STATUSES
from secnet.contract import Gone, MissingPrivilege, SecnetError, Timeout, Unavailable, Unsupported

EXPECTED: dict[str, type[SecnetError]] = {
    "UNAVAILABLE": Unavailable,
    "NOT_FOUND": Gone,
    "DEADLINE_EXCEEDED": Timeout,
    "UNIMPLEMENTED": Unsupported,
    "PERMISSION_DENIED": MissingPrivilege,
}


def test_the_table_is_whole() -> None:
    assert {code: meaning.error for code, meaning in STATUSES.table.items()} == EXPECTED


@pytest.mark.parametrize(("code", "error"), [*EXPECTED.items(), ("UNKNOWN", Unavailable), ("INTERNAL", Unavailable)])
def test_a_failed_call_says_what_failed_where_and_what_to_do(code: str, error: type[SecnetError]) -> None:
    made = STATUSES.error_of(code, "server is not initialized yet", "listing sandboxes", subject="/run/c.sock")
    assert type(made) is error
    assert made.message == f"listing sandboxes: server is not initialized yet ({code})"
    assert made.subject == "/run/c.sock"
    assert made.hint


def test_a_failed_call_without_a_reason() -> None:
    assert STATUSES.error_of("UNKNOWN", "", "listing sandboxes", subject="x").message.endswith(
        "no reason given (UNKNOWN)"
    )
