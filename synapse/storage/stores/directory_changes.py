"""Telling the user directory whom it has to take up anew."""

from collections.abc import Sequence

from synapse.storage.transaction import Transaction

_UPSERT = """
    INSERT INTO directory_changes (user_nid, stream) VALUES (?, ?)
    ON CONFLICT (user_nid) DO UPDATE SET stream = excluded.stream
"""


def tell_directory(txn: Transaction, user_nids: Sequence[int], first: int) -> None:
    """These users' names or avatars changed, at the stream's positions from `first` on."""
    positions = {nid: position for position, nid in enumerate(user_nids, first)}
    txn.execute_many(_UPSERT, list(positions.items()))
