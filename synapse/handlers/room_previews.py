"""Who may see a room's summary, and the summary of one room.

Client-server API, `GET /hierarchy` and `GET /room_summary`: those who are in the room or invited,
those who could join or knock, and everybody if everybody may read the room.
"""

from collections.abc import Sequence
from typing import Any

from synapse.api.constants import JoinRules
from synapse.api.errors import NotFound
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Requester
from synapse.handlers.room_summaries import RoomSummaries, Summary
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.rooms import RoomRow, RoomStore


class RoomPreviews:
    """Shows summaries to those who may see them."""

    def __init__(
        self, store: RoomStore, members: MemberStore, summaries: RoomSummaries, aliases: Aliases
    ) -> None:
        self._store = store
        self._members = members
        self._summaries = summaries
        self._aliases = aliases

    async def one(self, requester: Requester | None, room_id_or_alias: str) -> dict[str, Any]:
        """The answer of `GET /room_summary`; without a requester: for somebody unknown.

        Raises `NotFound`, also for a room that the requester may not see.
        """
        room_id = await self._aliases.resolve(room_id_or_alias)
        shown = (await self.of(requester, [room_id])).get(room_id)
        if shown is None:
            raise NotFound("Room not found")
        row, summary = shown
        json = summary.to_json(row.joined)
        if requester is not None:
            memberships = await self._members.in_rooms(requester.user_nid, [row.room_nid])
            json["membership"] = memberships.get(row.room_nid, Membership.LEAVE).text
        return json

    async def of(
        self, requester: Requester | None, room_ids: Sequence[str]
    ) -> dict[str, tuple[RoomRow, Summary]]:
        """Those of the rooms that this server knows and the requester may see, by room id.

        A handful of queries, whatever the number of rooms.
        """
        rows = await self._store.by_ids(room_ids)
        summaries = await self._summaries.of(list(rows.values()))
        visible = await self._visible(requester, list(summaries.values()))
        return {
            room_id: (row, summaries[row.room_nid])
            for room_id, row in rows.items()
            if row.room_nid in visible
        }

    async def _visible(self, requester: Requester | None, rooms: list[Summary]) -> set[int]:
        """The room_nids of those rooms that the requester may see."""
        if requester is None:
            return {room.room_nid for room in rooms if _is_open(room)}
        room_nids = [room.room_nid for room in rooms]
        memberships = await self._members.in_rooms(requester.user_nid, room_nids)
        visible = set()
        restricted = []
        for room in rooms:
            membership = memberships.get(room.room_nid, Membership.LEAVE)
            if membership in (Membership.JOIN, Membership.INVITE) or room.is_world_readable:
                visible.add(room.room_nid)
            elif membership is not Membership.BAN:
                if _is_open(room):
                    visible.add(room.room_nid)
                elif room.allowed_rooms:
                    restricted.append(room)
        return visible | await self._admitted(requester, restricted)

    async def _admitted(self, requester: Requester, rooms: list[Summary]) -> set[int]:
        """The room_nids of those restricted rooms that admit the requester."""
        if not rooms:
            return set()
        named = {room_id for room in rooms for room_id in room.allowed_rooms}
        known = await self._store.by_ids(list(named))
        memberships = await self._members.in_rooms(
            requester.user_nid, [row.room_nid for row in known.values()]
        )
        joined = {
            room_id
            for room_id, row in known.items()
            if memberships.get(row.room_nid) is Membership.JOIN
        }
        return {room.room_nid for room in rooms if not joined.isdisjoint(room.allowed_rooms)}


def _is_open(room: Summary) -> bool:
    """Whether somebody of whom nothing is known may see the room."""
    return room.join_rule == JoinRules.PUBLIC or room.is_knockable or room.is_world_readable
