"""Which tables a statement walks through, in the words of both engines' EXPLAIN."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from synapse.storage.engines.base import Connection
from synapse.storage.sql import Params

_PLACE = re.compile(r"(SCAN|SEARCH) (\w+)(.*)")
# What one value of a column may stand in nearly as many rows as the table has: to find them all by
# that column alone, or by those named behind it as well, is to walk.
_CROWDS = {
    "events": ("room_nid",),
    "members": ("room_nid", "membership"),
    "receipts": ("room_nid",),
    "slots": ("type_nid",),
}
# Columns of an index in PostgreSQL's conditions: (a = 1) AND (ROW(b, c) < ROW(2, 3)).
_COMPARED = re.compile(r"(?<=\()(\w+)(?=(?:, \w+)*\)? (?:[=<>@]|IS))")


class Walk(NamedTuple):
    """A table that is read from end to end, by itself or by an index."""

    table: str
    how: str


def walks_of_sqlite(
    connection: Connection, sql: str, params: Params, tables: set[str]
) -> Iterator[Walk]:
    """From `EXPLAIN QUERY PLAN`, without statistics: the server makes none.

    Other tables than these don't matter.
    """
    for *_, detail in connection.fetch(f"EXPLAIN QUERY PLAN {sql}", params):
        match = _PLACE.match(detail)
        if match is None:
            continue
        verb, name, how = match.groups()
        table = _table(sql, name, tables)
        if table is None:
            continue  # a sub-select, whose own parts have lines of their own
        if "VIRTUAL TABLE" in how:
            # FTS5 says what it looks for (M: MATCH, =, <, >), or nothing.
            is_walk = how.endswith(":")
        else:
            # An automatic index is made of the whole table, for this one statement.
            is_walk = verb == "SCAN" or "AUTOMATIC" in how or "ANY(" in how
            is_walk = is_walk or how.endswith(_crowds_of(table))
        if is_walk:
            yield Walk(table, detail)


def _crowds_of(table: str) -> tuple[str, ...]:
    """The ends of lines that tell of a search for a crowd."""
    crowd = [f"{column}=?" for column in _CROWDS.get(table, ())]
    return tuple(f"({' AND '.join(crowd[:n])})" for n in range(1, len(crowd) + 1))


def _table(sql: str, name: str, tables: set[str]) -> str | None:
    """The table behind a name or an alias."""
    if name in tables:
        return name
    for table in re.findall(rf"\b(\w+)\s+(?:AS\s+)?{name}\b", sql):
        if table in tables:
            return str(table)
    return None


def walks_of_postgres(
    connection: Connection, sql: str, params: Params, tables: set[str]
) -> Iterator[Walk]:
    """From `EXPLAIN`: sequential scans, and those of an index without a condition.

    As with SQLite, only of these tables.
    """
    (((root,),),) = connection.fetch(f"EXPLAIN (FORMAT JSON) {sql}", params)
    for node in _nodes(root["Plan"]):
        kind, table = node["Node Type"], node.get("Relation Name")
        if table in tables and (kind == "Seq Scan" or _is_loose(kind, table, node)):
            yield Walk(table, f"{kind} {node.get('Index Name', '')} on {table}")


def _is_loose(kind: str, table: str, node: dict[str, Any]) -> bool:
    """Whether an index is read as a whole, or for one value's crowd."""
    if kind == "Bitmap Heap Scan":
        condition = node["Recheck Cond"]
    elif kind in ("Index Scan", "Index Only Scan"):
        condition = node.get("Index Cond", "")
    else:
        return False
    columns = set(_COMPARED.findall(condition))
    crowd = _CROWDS.get(table, ())
    return not columns or (columns <= set(crowd) and crowd[0] in columns)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
