"""Boxes: tables in which something waits for somebody, in order, until they have it.

A box that is never emptied must not grow for ever: of what waits for one owner, the newest stays,
within a number and a size.
"""

from dataclasses import dataclass

from synapse.storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class BoxTable:
    """A table with the primary key (owner, stream)."""

    table: str
    owner: str
    body: str
    most: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Trim:
    """A box to trim. It is read from end to end, which is nothing for the reactor's thread."""

    table: BoxTable
    owner_nid: int
    is_large: bool = True


def trim(txn: Transaction, trims: list[Trim]) -> None:
    """Drop what is oldest in boxes that hold too much."""
    for one in trims:
        box = one.table
        txn.execute(
            f"""DELETE FROM {box.table} WHERE {box.owner} = ? AND stream <= (
                    SELECT max(stream) FROM (
                        SELECT stream, row_number() OVER newest AS number,
                            sum(length({box.body})) OVER newest AS size
                        FROM {box.table} WHERE {box.owner} = ?
                        WINDOW newest AS (ORDER BY stream DESC)) AS counted
                    WHERE number > ? OR size > ?)""",
            one.owner_nid,
            one.owner_nid,
            box.most,
            box.most_bytes,
        )
