"""Server notices: in which room a user finds them."""

from synapse.storage.database import Database
from synapse.storage.stores.account_data import put_account_data
from synapse.storage.transaction import Transaction

NOTICES_TAG = "m.server_notice"

_ROOM = """
    SELECT r.room_id FROM server_notices_rooms s JOIN rooms r ON r.room_nid = s.room_nid
    WHERE s.user_nid = ? AND s.sender_nid = ?
"""
_INSERT = """
    INSERT INTO server_notices_rooms (user_nid, sender_nid, room_nid) VALUES (?, ?, ?)
    ON CONFLICT (user_nid, sender_nid) DO NOTHING RETURNING room_nid
"""


class ServerNoticeStore:
    """Finds users' notices rooms; `synapse.rooms.persister` writes them with the rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def room_of(self, user_nid: int, sender_nid: int) -> str | None:
        """The id of the room in which the sender tells the user notices, if there is one."""
        row = await self._database.fetch_one(_ROOM, user_nid, sender_nid)
        return None if row is None else row[0]


def add_notices_room(
    txn: Transaction, user_nid: int, sender_nid: int, room_nid: int, stream: int
) -> bool:
    """Make a new room the user's, with its tag; whether there was none before."""
    if not txn.execute(_INSERT, user_nid, sender_nid, room_nid):
        return False
    content = b'{"tags":{"%b":{}}}' % NOTICES_TAG.encode()
    put_account_data(txn, user_nid, room_nid, "m.tag", content, stream)
    return True
