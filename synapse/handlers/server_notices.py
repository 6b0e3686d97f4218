"""Server notices: what the server's administrators tell single users, in the server's name.

Client-server API, "Server Notices".
"""

from typing import Any

from synapse.api.constants import MAX_EVENT_BYTES, MAX_ID_BYTES, EventTypes
from synapse.api.errors import BadJson, InvalidParam, MatrixError, NotFound, TooLarge
from synapse.api.identifiers import domain_of, fits_in_bytes, is_short_text, is_user_id
from synapse.events.client_content import check_client_content
from synapse.handlers.auth import Requester
from synapse.handlers.notices_rooms import NoticesRooms
from synapse.handlers.notices_user import NoticesUser
from synapse.rooms.txns import Transactions
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.events import NOTICE_TXN
from synapse.storage.stores.users import User, UserStore
from synapse.util import canonicaljson

# They would change who is in the room, or what it is.
_NOT_NOTICES = (EventTypes.CREATE, EventTypes.MEMBER, EventTypes.REDACTION)
# What an event has besides its content, generously.
_ENVELOPE_BYTES = 4_096


class ServerNotices:
    """Sends notices."""

    def __init__(
        self,
        notices_user: NoticesUser,
        rooms: NoticesRooms | None,
        users: UserStore,
        writer: RoomWriter,
        transactions: Transactions,
        *,
        server_name: str,
    ) -> None:
        """`rooms` is None on a server that sends no notices."""
        self._notices_user = notices_user
        self._rooms = rooms
        self._users = users
        self._writer = writer
        self._transactions = transactions
        self._server_name = server_name

    async def send(
        self,
        requester: Requester,
        user_id: str,
        content: dict[str, Any],
        *,
        type: str = EventTypes.MESSAGE,
        state_key: str | None = None,
        txn_id: str | None = None,
    ) -> str:
        """Send an administrator's notice to a user of ours; the event's id.

        With a `state_key`, it is a state event. A `txn_id` sends one event to each user.
        """
        sender = self._notices_user.user_id
        if self._rooms is None or sender is None:
            raise MatrixError(
                400, "M_UNRECOGNIZED", "Server notices are not enabled on this server"
            )
        user = await self._recipient(user_id)
        # Before a room is made for what can't be said in it.
        _check(type, state_key, content, txn_id)
        room = await self._rooms.room_for(user)
        draft = Draft(type, sender, content, state_key)

        async def send() -> str:
            return (await self._writer.send(room.room_id, draft)).event_id

        if txn_id is None:
            return await send()
        txn_id = NOTICE_TXN + txn_id
        draft.txn = (requester.device_nid, txn_id)
        return await self._transactions.once(requester.device_nid, room.nid, txn_id, send)

    async def _recipient(self, user_id: str) -> User:
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        if domain_of(user_id) != self._server_name:
            raise MatrixError(
                400, "M_UNKNOWN", "Server notices can only be sent to users of this server"
            )
        user = await self._users.user(user_id)
        if user is None or user.is_deactivated:
            raise NotFound(f"There is no user {user_id}, or the account is deactivated")
        if user_id == self._notices_user.user_id:
            raise InvalidParam(f"{user_id} sends the notices, and gets none")
        return user


def _check(type: str, state_key: str | None, content: dict[str, Any], txn_id: str | None) -> None:
    if txn_id is not None and not fits_in_bytes(txn_id, MAX_ID_BYTES):
        raise InvalidParam(f"A transaction id has at most {MAX_ID_BYTES} bytes")
    for name, value in (("type", type), ("state_key", state_key)):
        if value is not None and not is_short_text(value):
            raise InvalidParam(f"'{name}' has at most {MAX_ID_BYTES} bytes, and no NUL")
    if type in _NOT_NOTICES:
        raise InvalidParam(f"A notice can't be an event of type {type}")
    check_client_content(type, state_key, content)
    try:
        size = len(canonicaljson.encode(content))
    except canonicaljson.NotCanonical as error:
        raise BadJson(f"The content can't be sent: {error}") from None
    if size > MAX_EVENT_BYTES - _ENVELOPE_BYTES:
        raise TooLarge("A notice has at most 60 KiB")
