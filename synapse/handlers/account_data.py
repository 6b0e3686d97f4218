"""Account data: what clients keep for their user, globally or for a room."""

from collections.abc import Callable

import orjson

from synapse.api.constants import MAX_ID_BYTES
from synapse.api.errors import BadJson, Forbidden, InvalidParam, MatrixError, NotFound, TooLarge
from synapse.api.identifiers import fits_in_bytes, is_room_id, is_short_text, is_user_id
from synapse.handlers.auth import Requester
from synapse.handlers.invite_filter import LISTS, is_glob
from synapse.handlers.invite_permission import FILTER
from synapse.handlers.push_rules import PUSH_RULES, PushRules
from synapse.http.json_body import JsonObject
from synapse.storage.stores.account_data import AccountDataStore

# "Server Behaviour" of client config: these have endpoints of their own.
_SET_BY_THE_SERVER = frozenset({"m.fully_read", PUSH_RULES})
_IGNORED_USERS = "m.ignored_user_list"
# Each invite is compared with all of them, and with globs it takes its time.
_MAX_FILTER_ENTRIES = 1_000
_MAX_FILTER_GLOBS = 50


class AccountData:
    """Keeps account data for its user, and nobody else."""

    def __init__(self, store: AccountDataStore, push_rules: PushRules) -> None:
        self._store = store
        self._push_rules = push_rules

    async def get(
        self, requester: Requester, user_id: str, room_id: str | None, type: str
    ) -> bytes:
        """The content's JSON; `room_id` None means global."""
        check_account_data(requester, user_id, room_id, type)
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
        check_account_data(requester, user_id, room_id, type)
        _check_settable(type)
        check = None if room_id is not None else _CHECKS.get(type)
        if check is not None:
            check(requester, content)
        if type == _IGNORED_USERS and room_id is None:
            await self._push_rules.ignore(requester, content.raw.get("ignored_users", ()))
        json = orjson.dumps(content.raw)
        if await self._store.put(requester.user_nid, room_id, type, json) is None:
            raise NotFound("This server does not know the room")

    async def delete(
        self, requester: Requester, user_id: str, room_id: str | None, type: str
    ) -> None:
        """Delete account data; what isn't there is deleted already."""
        check_account_data(requester, user_id, room_id, type)
        _check_settable(type)
        if type == _IGNORED_USERS and room_id is None:
            await self._push_rules.ignore(requester, ())
        await self._store.delete(requester.user_nid, room_id, type)


def check_account_data(requester: Requester, user_id: str, room_id: str | None, type: str) -> None:
    """Raises `Forbidden` for others' data, `InvalidParam` for what can't be a room or a type."""
    if user_id != requester.user_id:
        raise Forbidden("Account data belongs to its user alone")
    if room_id is not None and (not is_room_id(room_id)):
        raise InvalidParam("The path names no valid room id")
    if not is_short_text(type):
        raise InvalidParam("A type has at most 255 bytes, and no NUL")


def _check_settable(type: str) -> None:
    if type in _SET_BY_THE_SERVER:
        raise MatrixError(405, "M_BAD_JSON", f"{type} can't be set through this API")


def _check_ignored_users(requester: Requester, content: JsonObject) -> None:
    # An empty object is how clients took things back before they could be deleted.
    if not content.raw:
        return
    for user_id, value in content.object("ignored_users").raw.items():
        if not is_user_id(user_id) or not isinstance(value, dict):
            raise BadJson("'ignored_users' must be an object of user ids with an object each")
        if user_id == requester.user_id:
            raise InvalidParam("You can't ignore yourself")


def _check_invite_filter(requester: Requester, content: JsonObject) -> None:
    entries = [entry for name in LISTS for entry in content.optional_strings(name) or ()]
    globs = sum(is_glob(entry) for entry in entries)
    if len(entries) > _MAX_FILTER_ENTRIES or globs > _MAX_FILTER_GLOBS:
        raise TooLarge(
            f"An invite filter has at most {_MAX_FILTER_ENTRIES} entries, {_MAX_FILTER_GLOBS} of "
            "them with wildcards"
        )
    if not all(fits_in_bytes(entry, MAX_ID_BYTES) for entry in entries):
        raise TooLarge(f"The entries of an invite filter have at most {MAX_ID_BYTES} bytes each")


# What the server itself goes by.
_CHECKS: dict[str, Callable[[Requester, JsonObject], None]] = {
    _IGNORED_USERS: _check_ignored_users,
    FILTER: _check_invite_filter,
}
