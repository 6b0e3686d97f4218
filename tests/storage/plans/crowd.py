"""Rows for all tables of a PostgreSQL database, so that it plans as in a large one.

    fill(connection)

What a column holds follows from its name and type, so a new table needs nothing here. Half of
this is about what makes a planner choose: how many rows have the same value.
"""

from synapse.storage.engines.base import Connection

# Numbers of rooms, users and others in here are higher than those that a test's server gives out,
# positions in the stream lower.
_BASE = 1_000_000
_FUTURE_MS = 1_800_000_000_000
_ROWS = 5_000
_MORE_ROWS = {
    "names": 45_000,
    "slots": 30_000,
    "events": 40_000,
    "members": 60_000,
    "room_state": 40_000,
    "states": 20_000,
    "receipts": 30_000,
    "account_data": 30_000,
    "directory_words": 20_000,
    "presence": 20_000,
    "relations": 30_000,
    "search_index": 30_000,
    "search_words": 30_000,
}
# Whom something is still to be done for: few, and soon nobody.
QUEUES = {"unspread_profiles": 5, "unfinished_deactivations": 5}
# Users and event types are scattered among names.
_SPREAD = {"type_nid": 1_500, "user_nid": 9, "sender_nid": 9, "reporter_nid": 9, "creator_nid": 9}
# How many distinct values there are; prime, so that together they make distinct keys.
_DISTINCT = {
    "room_nid": 1_999,
    "user_nid": 4_001,
    "sender_nid": 4_003,
    "reporter_nid": 4_001,
    "creator_nid": 4_001,
    "device_nid": 4_999,
    "type_nid": 29,
    "slot_nid": 6_007,
    "key_nid": 30_011,
    "type": 7,
    "receipt_type": 3,
    "thread_id": 5,
    "field": 3,
}
_COLUMNS = """
    SELECT c.table_name, c.column_name, c.data_type, c.is_nullable, EXISTS (
        SELECT 1 FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid
            AND a.attnum = x.indkey[0]
        WHERE x.indrelid = c.table_name::regclass AND x.indisunique AND x.indnkeyatts = 1
            AND a.attname = c.column_name)
    FROM information_schema.columns c WHERE c.table_name = ANY(?) ORDER BY 1, c.ordinal_position
"""


def fill(connection: Connection, tables: list[str]) -> None:
    """Add rows to each of the tables, and let the planner know of them."""
    columns: dict[str, dict[str, str]] = {}
    for table, column, type_, nullable, is_key in connection.fetch(_COLUMNS, (tables,)):
        value = _key(column, type_) if is_key else _value(column, type_, nullable == "YES")
        columns.setdefault(table, {})[column] = value
    for table, values in columns.items():
        # Sparse pages: a table costs as much to read as one of ten times as many rows.
        connection.fetch(f"ALTER TABLE {table} SET (fillfactor = 10)", ())
        rows = {**_MORE_ROWS, **QUEUES}.get(table, _ROWS)
        connection.fetch(
            f"INSERT INTO {table} ({', '.join(values)})"
            f" SELECT {', '.join(values.values())} FROM generate_series(1, {rows}) AS i",
            (),
        )
    connection.fetch("ANALYZE", ())


def _key(column: str, type_: str) -> str:
    """A value for each row."""
    if type_ == "text":
        return f"'{column}' || i"
    if type_ == "bytea":
        return "decode(md5(i::text), 'hex')"
    if column in ("event_nid", "state_nid"):
        return "i"
    return f"{_BASE} + i * {_SPREAD.get(column, 1)}"


def _value(column: str, type_: str, nullable: bool) -> str:
    if column == "membership":
        return "CASE WHEN i % 10 < 7 THEN 1 ELSE 1 + i % 5 END"
    if column in _DISTINCT:
        number = f"(i % {_DISTINCT[column]}) * {_SPREAD.get(column, 1)}"
        value = f"'{column}' || ({number})" if type_ == "text" else f"{_BASE} + {number}"
    elif column == "usage":  # a user has one key for each
        value = f"1 + i / {_DISTINCT['user_nid']}"
    elif column == "rel_type":  # there are partial indexes
        value = "(ARRAY['m.thread', 'm.annotation', 'm.replace', 'm.reference'])[1 + i % 4]"
    elif type_ in ("smallint", "integer"):
        value = "CASE WHEN i % 20 = 0 THEN 1 ELSE 0 END"
    elif type_ == "tsvector":
        value = "array_to_tsvector(ARRAY['word' || i % 997, '#' || i % 1999])"
    elif column == "json" and type_ == "bytea":
        value = "decode(repeat(md5(i::text), 20), 'hex')"
    elif type_ in ("text", "bytea"):
        value = _key(column, type_)
    elif column.endswith("_ms"):
        value = f"{_FUTURE_MS} + i"  # what has expired is soon gone, so it is little
    else:
        value = "i"
    return f"CASE WHEN i % 4 > 0 THEN {value} END" if nullable else value
