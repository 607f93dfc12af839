"""The meaning of each status code of PodResources."""

from __future__ import annotations

import grpc
from secnet.agent.devices._errors import STATUSES
from secnet.contract import Busy, MissingPrivilege, Timeout, Unavailable, Unsupported


def test_the_table_of_status_codes() -> None:
    wanted = {
        "UNAVAILABLE": Unavailable,
        "DEADLINE_EXCEEDED": Timeout,
        "RESOURCE_EXHAUSTED": Busy,
        "UNIMPLEMENTED": Unsupported,
        "PERMISSION_DENIED": MissingPrivilege,
    }
    assert {code: meaning.error for code, meaning in STATUSES.table.items()} == wanted
    assert set(STATUSES.table) <= {code.name for code in grpc.StatusCode}
    assert all(meaning.hint for meaning in STATUSES.table.values())
    assert type(STATUSES.error_of("UNKNOWN", "x", "asking", subject="s")) is Unavailable
