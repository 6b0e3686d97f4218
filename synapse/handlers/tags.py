"""Tags: labels that users give rooms, for themselves. They are the room's account data `m.tag`."""

from typing import Any

import orjson

from synapse.api.errors import BadJson, InvalidParam, NotFound, TooLarge
from synapse.api.identifiers import is_short_text
from synapse.handlers.account_data import check_account_data
from synapse.handlers.auth import Requester
from synapse.http.json_body import JsonObject
from synapse.storage.stores.account_data import AccountDataStore, Edit

TAG = "m.tag"
# All tags of a room; each change rewrites them.
_MAX_BYTES = 65_536


class Tags:
    """Tags rooms for their user, and nobody else."""

    def __init__(self, store: AccountDataStore) -> None:
        self._store = store

    async def tags(self, requester: Requester, user_id: str, room_id: str) -> dict[str, Any]:
        """The room's tags, each with what is said of it."""
        check_account_data(requester, user_id, room_id, TAG)
        return tags_in(await self._store.content(requester.user_nid, room_id, TAG))

    async def put(
        self, requester: Requester, user_id: str, room_id: str, tag: str, content: JsonObject
    ) -> None:
        """Tag the room, or replace what is said of a tag."""
        _check_tag(tag)
        said = _checked(content)

        def edit(stored: bytes | None) -> bytes:
            return _stored({**tags_in(stored), tag: said})

        await self._edit(requester, user_id, room_id, edit)

    async def delete(self, requester: Requester, user_id: str, room_id: str, tag: str) -> None:
        """Take a tag away, if it is there."""
        _check_tag(tag)

        def edit(stored: bytes | None) -> bytes | None:
            tags = tags_in(stored)
            return _stored(tags) if tags.pop(tag, None) is not None else None

        await self._edit(requester, user_id, room_id, edit)

    async def _edit(self, requester: Requester, user_id: str, room_id: str, edit: Edit) -> None:
        check_account_data(requester, user_id, room_id, TAG)
        if await self._store.edit(requester.user_nid, room_id, TAG, edit) is None:
            raise NotFound("This server does not know the room")


def _stored(tags: dict[str, Any]) -> bytes:
    content = orjson.dumps({"tags": tags})
    if len(content) > _MAX_BYTES:
        raise TooLarge(f"The tags of a room have at most {_MAX_BYTES} bytes together")
    return content


def tags_in(stored: bytes | None) -> dict[str, Any]:
    """The tags; account data can be set to anything, which then counts as none."""
    tags = {} if stored is None else orjson.loads(stored).get("tags")
    return tags if isinstance(tags, dict) else {}


def _check_tag(tag: str) -> None:
    if not is_short_text(tag):
        raise InvalidParam("A tag has at most 255 bytes, and no NUL")


def _checked(content: JsonObject) -> dict[str, Any]:
    """What is said of a tag. `order` is a number from 0 to 1, or left out."""
    said = dict(content.raw)
    order = said.get("order")
    if order is None:
        said.pop("order", None)
    elif isinstance(order, bool) or not isinstance(order, int | float):
        raise BadJson("'order' must be a number")
    elif not 0 <= order <= 1:
        raise InvalidParam("'order' must be from 0 to 1")
    return said
