"""Who may see a room's summary, and the summary of one room.

Client-server API, `GET /hierarchy` and `GET /room_summary`: those who are in the room or invited,
those who could join or knock, and everybody if everybody may read the room.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from synapse.api.constants import JoinRules
from synapse.api.errors import NotFound
from synapse.api.identifiers import domain_of, is_server_name
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Requester
from synapse.handlers.room_summaries import RoomSummaries, Summary
from synapse.handlers.shown_rooms import RemoteRooms, ShownRoom
from synapse.handlers.space_children import SpaceChild
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.rooms import RoomRow, RoomStore

_OPEN_RULES = (JoinRules.PUBLIC, JoinRules.KNOCK, JoinRules.KNOCK_RESTRICTED)


@dataclass(frozen=True, slots=True)
class Previews:
    """What this server has of some rooms for a requester, by room id."""

    shown: dict[str, ShownRoom]
    # Rooms in which users of ours are: of these nobody knows more.
    settled: set[str]


class RoomPreviews:
    """Shows summaries to those who may see them."""

    def __init__(
        self,
        store: RoomStore,
        members: MemberStore,
        summaries: RoomSummaries,
        aliases: Aliases,
        remote: RemoteRooms,
        *,
        server_name: str,
    ) -> None:
        self._store = store
        self._members = members
        self._summaries = summaries
        self._aliases = aliases
        self._remote = remote
        self._server_name = server_name

    async def one(
        self, requester: Requester | None, room_id_or_alias: str, via: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The answer of `GET /room_summary`; without a requester: for somebody unknown.

        Other servers are asked about rooms that this server is not in: those of `via`, and those
        that an alias names. Raises `NotFound`, also for a room that the requester may not see, and
        what `Aliases.find` raises.
        """
        found = await self._aliases.resolve(room_id_or_alias)
        room_id = found.room_id
        shown = await self.anywhere(requester, room_id, [*via, *found.servers])
        if shown is None:
            raise NotFound("Room not found")
        json = dict(shown.facts)
        if requester is not None:
            json["membership"] = (await self._membership(requester, room_id)).text
        return json

    async def anywhere(
        self, requester: Requester | None, room_id: str, via: Sequence[str] = ()
    ) -> ShownRoom | None:
        """A room, wherever it is, if the requester may see it.

        Without `via` the server in the room's id is asked, if there is one.
        """
        ours = await self.of(requester, [room_id])
        if room_id in ours.settled:
            return ours.shown.get(room_id)
        theirs = await self.elsewhere(requester, room_id, via or [domain_of(room_id)])
        return theirs or ours.shown.get(room_id)

    async def of(self, requester: Requester | None, room_ids: Sequence[str]) -> Previews:
        """Those of the rooms that this server knows and the requester may see.

        A handful of queries, whatever the number of rooms.
        """
        rows = await self._store.by_ids(room_ids)
        summaries = await self._summaries.of(list(rows.values()))
        visible = await self._visible(requester, list(summaries.values()))
        shown = {
            room_id: _shown(row, summaries[row.room_nid])
            for room_id, row in rows.items()
            if row.room_nid in visible
        }
        return Previews(shown, {room_id for room_id, row in rows.items() if row.local_joined})

    async def elsewhere(
        self, requester: Requester | None, room_id: str, via: Sequence[str]
    ) -> ShownRoom | None:
        """A room that this server is not in, if others tell it and the requester may see it."""
        others = self.others_in(via)
        room = await self._remote.room(room_id, others) if others else None
        if room is None or not await self._may_see(requester, room.facts):
            return None
        return room

    def others_in(self, via: Sequence[str]) -> list[str]:
        """The servers that may be asked."""
        return [name for name in via if is_server_name(name) and name != self._server_name]

    async def _may_see(self, requester: Requester | None, facts: dict[str, Any]) -> bool:
        # "When not present, the room is assumed to be public."
        join_rule = facts.get("join_rule", JoinRules.PUBLIC)
        if facts["world_readable"] or join_rule in _OPEN_RULES:
            return True
        if requester is None:
            return False
        membership = await self._membership(requester, facts["room_id"])
        if membership in (Membership.JOIN, Membership.INVITE):
            return True
        allowed = facts.get("allowed_room_ids", ()) if join_rule == JoinRules.RESTRICTED else ()
        return bool(await self._joined_among(requester, allowed))

    async def _membership(self, requester: Requester, room_id: str) -> Membership:
        row = await self._store.get(room_id)
        if row is None:
            return Membership.LEAVE
        memberships = await self._members.in_rooms(requester.user_nid, [row.room_nid])
        return memberships.get(row.room_nid, Membership.LEAVE)

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
        joined = await self._joined_among(requester, named)
        return {room.room_nid for room in rooms if not joined.isdisjoint(room.allowed_rooms)}

    async def _joined_among(self, requester: Requester, room_ids: Collection[str]) -> set[str]:
        """Those of the rooms in which the requester is."""
        known = await self._store.by_ids(list(room_ids))
        memberships = await self._members.in_rooms(
            requester.user_nid, [row.room_nid for row in known.values()]
        )
        return {
            room_id
            for room_id, row in known.items()
            if memberships.get(row.room_nid) is Membership.JOIN
        }


def _shown(row: RoomRow, summary: Summary) -> ShownRoom:
    children = tuple(SpaceChild.of(child) for child in summary.children)
    return ShownRoom(summary.to_json(row.joined), children)


def _is_open(room: Summary) -> bool:
    """Whether somebody of whom nothing is known may see the room."""
    return room.join_rule == JoinRules.PUBLIC or room.is_knockable or room.is_world_readable
