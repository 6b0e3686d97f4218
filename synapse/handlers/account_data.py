"""Account data: what clients keep for their user, globally or for a room."""

import orjson

from synapse.api.errors import Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import is_room_id, is_short_text
from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import IGNORED_USER_LIST, IgnoredUsers
from synapse.handlers.push_rules import PUSH_RULES, PushRules
from synapse.http.json_body import JsonObject
from synapse.storage.stores.account_data import AccountDataStore

# "Server Behaviour" of client config: these have endpoints of their own.
_SET_BY_THE_SERVER = frozenset({"m.fully_read", PUSH_RULES})


class AccountData:
    """Keeps account data for its user, and nobody else."""

    def __init__(
        self, store: AccountDataStore, push_rules: PushRules, ignored: IgnoredUsers
    ) -> None:
        self._store = store
        self._push_rules = push_rules
        self._ignored = ignored

    async def get(
        self, requester: Requester, user_id: str, room_id: str | None, type: str
    ) -> bytes:
        """The content's JSON; `room_id` None means global."""
        _check(requester, user_id, room_id, type)
        if type == PUSH_RULES and room_id is None:
            return await self._push_rules.content(requester)
        content = await self._store.content(requester.user_nid, room_id, type)
        if content is None:
            raise NotFound("There is no such account data")
        return content

    async def put(
        self,
        requester: Requester,
        user_id: str,
        room_id: str | None,
        type: str,
        content: JsonObject,
    ) -> None:
        _check(requester, user_id, room_id, type)
        if type in _SET_BY_THE_SERVER:
            raise MatrixError(405, "M_BAD_JSON", f"{type} can't be set through this API")
        json = orjson.dumps(content.raw)
        if await self._store.put(requester.user_nid, room_id, type, json) is None:
            raise NotFound("This server does not know the room")
        if type == IGNORED_USER_LIST and room_id is None:
            self._ignored.changed(requester.user_nid)


def _check(requester: Requester, user_id: str, room_id: str | None, type: str) -> None:
    if user_id != requester.user_id:
        raise Forbidden("Account data belongs to its user alone")
    if room_id is not None and (not is_room_id(room_id)):
        raise InvalidParam("The path names no valid room id")
    if not is_short_text(type):
        raise InvalidParam("A type has at most 255 bytes, and no NUL")
