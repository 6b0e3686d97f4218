"""The rows that redactions change."""

from collections.abc import Sequence

from synapse.events.event import Event
from synapse.rooms.chunks import Redaction
from synapse.storage.stores.events import REDACTED
from synapse.storage.stores.unread import take_back
from synapse.storage.transaction import Transaction


def write_redactions(
    txn: Transaction,
    redactions: Sequence[Redaction],
    early: Sequence[tuple[str, Event]] = (),
) -> None:
    """Replace events by what redactions leave of them; the originals are kept for a while.

    Of several redactions of an event the last one is told of, as clients do. `early` are redactions
    of events that are not here, with their ids.
    """
    txn.execute_many(
        "INSERT INTO early_redactions (target_id, event_nid) VALUES (?, ?)"
        " ON CONFLICT (target_id, event_nid) DO NOTHING",
        [(target_id, event.nid) for target_id, event in early],
    )
    if not redactions:
        return
    txn.execute_many(
        "INSERT INTO redacted_events (event_nid, redacted_ms, json) VALUES (?, ?, ?)"
        " ON CONFLICT (event_nid) DO NOTHING",
        [(r.target.nid, r.at_ms, r.target.json) for r in redactions],
    )
    last = {r.target.nid: r for r in redactions}
    txn.execute_many(
        "UPDATE events SET json = ?, redacted_by = ?, flags = flags | ? WHERE event_nid = ?",
        [(r.redacted.json, r.by.nid, REDACTED, nid) for nid, r in last.items()],
    )
    # What a redacted event said of its relation is gone; its own children stay.
    txn.execute("DELETE FROM relations WHERE event_nid = ANY(?)", list(last))
    take_back(txn, list(last))
