"""The rooms that two users share (`GET /mutual_rooms`)."""

import re
from typing import Any

from synapse.api.errors import InvalidParam
from synapse.api.identifiers import is_user_id
from synapse.handlers.auth import Requester
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.rooms import RoomStore

_PAGE = 100
_TOKEN = re.compile(r"[0-9]{1,18}", re.ASCII)


class MutualRooms:
    """Finds the rooms in which both users are."""

    def __init__(self, members: MemberStore, rooms: RoomStore, names: Names) -> None:
        self._members = members
        self._rooms = rooms
        self._names = names

    async def page(self, requester: Requester, user_id: str, token: str | None) -> dict[str, Any]:
        """The answer of `GET /mutual_rooms`. Raises `InvalidParam`."""
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        if user_id == requester.user_id:
            raise InvalidParam("You share all your rooms with yourself")
        if token is not None and _TOKEN.fullmatch(token) is None:
            raise InvalidParam(f"Not a token of this server: {token[:100]!r}")
        other_nid = await self._names.nid(user_id)
        if other_nid is None:
            return {"joined": [], "count": 0}
        pair = (requester.user_nid, other_nid)
        # One more than is shown tells whether there are more.
        nids = await self._members.shared_rooms(*pair, after=int(token or 0), limit=_PAGE + 1)
        shown = nids[:_PAGE]
        ids = await self._rooms.ids(shown)
        answer: dict[str, Any] = {"joined": [ids[nid] for nid in shown], "count": len(nids)}
        if token is not None or len(nids) > _PAGE:
            answer["count"] = await self._members.count_shared_rooms(*pair)
        if len(nids) > _PAGE:
            answer["next_batch"] = str(shown[-1])
        return answer
