"""The user who sends server notices: who it is, and what nobody may do with it.

It is no one's account. Nobody can register its name, log in as it or use a token that an account of
that name had before the server was told to send notices; nobody may invite it; and who was invited
by it into their notices room can't refuse (client-server API, "Server Notices"), though they may
join and leave again.
"""

from collections.abc import Iterable

from synapse.api.constants import Membership
from synapse.api.errors import Forbidden, MatrixError
from synapse.config.server_notices import ServerNoticesConfig
from synapse.events.event import Event
from synapse.storage.stores.names import Names
from synapse.storage.stores.server_notices import ServerNoticeStore


class CannotLeaveNotices(MatrixError):
    """403 `M_CANNOT_LEAVE_SERVER_NOTICE_ROOM`."""

    def __init__(self) -> None:
        super().__init__(
            403,
            "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM",
            "An invitation to the room of the server's notices can't be refused",
        )


class NoticesUser:
    """Guards the notices user, if the server has one."""

    def __init__(
        self,
        store: ServerNoticeStore,
        names: Names,
        config: ServerNoticesConfig | None,
        *,
        server_name: str,
    ) -> None:
        self._store = store
        self._names = names
        self.user_id = None if config is None else f"@{config.system_mxid_localpart}:{server_name}"

    @property
    def user_ids(self) -> frozenset[str]:
        """The user's id, or nothing if the server sends no notices."""
        return frozenset() if self.user_id is None else frozenset((self.user_id,))

    def check_may_be_invited(self, user_ids: Iterable[str]) -> None:
        if self.user_id is not None and self.user_id in user_ids:
            raise Forbidden(f"{self.user_id} sends the server's notices and can't be invited")

    async def check_may_leave(self, user_nid: int, room_id: str, current: Event) -> None:
        """`current` is the user's own member event. Raises `CannotLeaveNotices`."""
        if current.membership != Membership.INVITE or current.sender != self.user_id:
            return
        sender_nid = await self._names.nid(current.sender)
        assert sender_nid is not None, "who has sent an event has a number"
        if await self._store.room_of(user_nid, sender_nid) == room_id:
            raise CannotLeaveNotices()
