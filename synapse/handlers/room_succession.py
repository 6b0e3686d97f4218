"""What users take along when a room was replaced by another one: tags, direct chats, push rules.

Client-server API, "Room Upgrades", server behaviour: done when a user enters the new room. Both
rooms must name each other, so that no room can pass itself off as another one's successor. If it
was another server that replaced the room, this server's names for it follow then, too.
"""

import logging
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from synapse.api.constants import EventTypes
from synapse.api.errors import MatrixError, NotFound
from synapse.api.identifiers import is_room_id
from synapse.handlers.listeners import listener_of
from synapse.handlers.tags import TAG
from synapse.push.rule import Rule
from synapse.push.rules import Rules
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.push_rules import PushRuleStore
from synapse.storage.stores.rooms import RoomStore

logger = logging.getLogger(__name__)

_DIRECT = "m.direct"
# The kinds in which clients keep a rule for one room, under the room's id.
_RULE_KINDS = ("override", "room")


class RoomSuccession:
    """Moves users' settings from rooms to those that replace them."""

    def __init__(
        self,
        rooms: RoomCache,
        store: RoomStore,
        account_data: AccountDataStore,
        push_rules: PushRuleStore,
    ) -> None:
        self._rooms = rooms
        self._store = store
        self._account_data = account_data
        self._push_rules = push_rules

    async def joined(self, user_id: str, user_nid: int, room: Room) -> None:
        """The user has just joined the room. What they have set for it already stays.

        The join is done, so what fails here is told to the log alone.
        """
        old = await self._predecessor(room)
        if old is None:
            return
        old_id = old.room_id
        try:
            await self._store.move_names(old.nid, room.nid)
            await self._take_tags(user_nid, old_id, room.room_id)
            await self._take_direct(user_nid, old_id, room.room_id)
            await self._take_rules(user_id, user_nid, old_id, room.room_id)
        except MatrixError as error:
            logger.warning("Settings of %s did not follow to %s: %s", user_id, room.room_id, error)

    async def predecessor(self, room: Room) -> str | None:
        """The id of the room that this one replaces, if that one says so too."""
        old = await self._predecessor(room)
        return None if old is None else old.room_id

    async def _predecessor(self, room: Room) -> Room | None:
        create = await self._rooms.current(room, EventTypes.CREATE)
        named = None if create is None else create.content.get("predecessor")
        old_id = named.get("room_id") if isinstance(named, dict) else None
        if not is_room_id(old_id):
            return None
        try:
            old = await self._rooms.get(old_id)
        except NotFound:
            return None
        tombstone = await self._rooms.current(old, EventTypes.TOMBSTONE)
        if tombstone is None or tombstone.content.get("replacement_room") != room.room_id:
            return None
        return old

    async def _take_tags(self, user_nid: int, old_id: str, new_id: str) -> None:
        tags = await self._account_data.content(user_nid, old_id, TAG)
        if tags is not None:
            await self._account_data.edit(user_nid, new_id, TAG, lambda own: own or tags)

    async def _take_direct(self, user_nid: int, old_id: str, new_id: str) -> None:
        def edit(content: bytes | None) -> bytes | None:
            return None if content is None else _with_room(content, old_id, new_id)

        # Most rooms are no direct chats: then there is nothing to write.
        if edit(await self._account_data.content(user_nid, None, _DIRECT)) is not None:
            await self._account_data.edit(user_nid, None, _DIRECT, edit)

    async def _take_rules(self, user_id: str, user_nid: int, old_id: str, new_id: str) -> None:
        document = await self._push_rules.document(user_nid)
        if document is None or not _inherited(Rules(user_id, document), old_id, new_id):
            return

        def edit(stored: bytes | None) -> bytes:
            rules = Rules(user_id, stored)
            for kind, rule in _inherited(rules, old_id, new_id):
                rules.put(kind, rule, after=old_id)
                # `put` makes new rules that are in force.
                rules.set_enabled(kind, new_id, rule.enabled)
            return rules.to_stored()

        await self._push_rules.change(user_nid, edit, partial(listener_of, user_id))


def _with_room(content: bytes, old_id: str, new_id: str) -> bytes | None:
    """An `m.direct` that names the new room wherever it names the old one; None if it does."""
    direct = orjson.loads(content)
    changed = {
        user_id: [*rooms, new_id]
        for user_id, rooms in direct.items()
        if isinstance(rooms, list) and old_id in rooms and new_id not in rooms
    }
    return orjson.dumps({**direct, **changed}) if changed else None


def _inherited(rules: Rules, old_id: str, new_id: str) -> list[tuple[str, Rule]]:
    """(kind, rule) for the new room, for each rule of the old one that it has none like."""
    found = []
    for kind in _RULE_KINDS:
        by_id = {rule.rule_id: rule for rule in rules.of_kind(kind)}
        if old_id in by_id and new_id not in by_id:
            old = by_id[old_id]
            conditions = old.conditions
            if conditions is not None:
                conditions = [_about(condition, old_id, new_id) for condition in conditions]
            found.append((kind, replace(old, rule_id=new_id, conditions=conditions)))
    return found


def _about(condition: Any, old_id: str, new_id: str) -> Any:
    """The condition, about the new room if it was about the old one."""
    about_room = condition.get("kind") == "event_match" and condition.get("key") == "room_id"
    if about_room and condition.get("pattern") == old_id:
        return {**condition, "pattern": new_id}
    return condition
