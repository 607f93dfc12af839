"""What secnet.ovs uses of the OVSDB library though it is private there: a version that changes one of these fails here, by name.

No server is needed: the copy of the database is filled by hand, with the updates that a server would send.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from ovs.db.idl import Idl, SchemaHelper

PORT, BRIDGE = uuid.uuid4(), uuid.uuid4()
SCHEMA = {
    "name": "Open_vSwitch",
    "version": "1.0.0",
    "tables": {
        "Bridge": {
            "columns": {
                "name": {"type": "string"},
                "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
            },
            "isRoot": True,
        },
        "Port": {"columns": {"name": {"type": "string"}}},
    },
}
NEXT = "secnet.ovs uses this private field of the package ovs: find out what took its place, and change"


@pytest.fixture
def copy() -> Idl:
    """A copy that is not connected, with one bridge that has one port."""
    helper = SchemaHelper(schema_json=SCHEMA)
    helper.register_all()
    made = Idl("unix:/nonexistent", helper)
    insert = getattr(made, "_Idl__process_update", None)
    assert insert is not None, "this test fills Idl by its method __process_update: find out what took its place"
    for table, identity, columns in (
        ("Port", PORT, {"name": "p1"}),
        ("Bridge", BRIDGE, {"name": "br", "ports": ["set", [["uuid", str(PORT)]]]}),
    ):
        insert(made.tables[table], identity, None, columns)
    return made


def _field(owner: Any, path: str, where: str) -> Any:
    """What a private name leads to; fails with that name, and the place to change, when it is not there."""
    for name in path.split("."):
        assert hasattr(owner, name), f"{type(owner).__name__} has no {name}, of {path!r}: {NEXT} {where}"
        owner = getattr(owner, name)
    return owner


def test_the_pause_before_a_reconnect_is_set_at_idl_session_reconnect(copy: Idl) -> None:
    reconnect = _field(copy, "_session.reconnect", "Session.__init__ in session.py")
    _field(reconnect, "set_backoff", "Session.__init__ in session.py")(1000, 1000)
    assert (reconnect.min_backoff, reconnect.max_backoff) == (1000, 1000), f"_session.reconnect.set_backoff: {NEXT}"


def test_a_lost_connection_shows_in_idl_session_and_last_seqno(copy: Idl) -> None:
    where = "Session._live in session.py"
    assert _field(copy, "_session.is_connected", where)() is False
    assert isinstance(_field(copy, "_session.get_seqno", where)(), int)
    _field(copy, "_last_seqno", where)  # a number once it was connected


def test_a_row_knows_its_table_by_row_table(copy: Idl) -> None:
    row = copy.tables["Port"].rows[PORT]
    assert _field(row, "_table.name", "_Copy.notify in session.py") == "Port"


def test_the_ports_of_a_bridge_are_stored_in_row_data(copy: Idl) -> None:
    row = copy.tables["Bridge"].rows[BRIDGE]
    ports = _field(row, "_data", "_holds in rows.py")["ports"]
    assert [atom.value for atom in _field(ports, "values", "_holds in rows.py")] == [PORT], (
        f"_data['ports']: {NEXT} rows.py"
    )
