"""What we tell other servers of spaces and the rooms in them (`GET /hierarchy/{roomId}`).

A server learns of a room that one of its users could enter or read without being asked in, of one
that it is in, or is invited to. Which of its users may see what is for it to find out.
"""

from collections.abc import Sequence
from typing import Any

from synapse.api.constants import JoinRules
from synapse.api.errors import NotFound
from synapse.api.identifiers import is_room_id
from synapse.federation.server_acls import ServerAcls
from synapse.handlers.room_servers import RoomServers
from synapse.handlers.room_summaries import RoomSummaries, Summary
from synapse.handlers.space_children import SpaceChild
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.members import Membership
from synapse.storage.stores.room_servers import RoomServerStore
from synapse.storage.stores.rooms import RoomRow, RoomStore
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock


class ToldSpaces:
    """Answers about them."""

    def __init__(
        self,
        rooms: RoomCache,
        acls: ServerAcls,
        store: RoomStore,
        summaries: RoomSummaries,
        servers: RoomServers,
        server_store: RoomServerStore,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._acls = acls
        self._store = store
        self._summaries = summaries
        self._servers = servers
        self._server_store = server_store
        self._clock = clock

    async def hierarchy(self, server: str, room_id: str, *, suggested_only: bool) -> dict[str, Any]:
        """A room and, if it is a space, its children. Raises `NotFound`."""
        known = await self._known([room_id] if is_room_id(room_id) else [])
        if room_id not in known or not await self._may_see(server, *known[room_id]):
            raise NotFound("Room does not exist")
        row, summary = known[room_id]
        shown = [SpaceChild.of(child) for child in summary.children]
        shown = [child for child in shown if child.is_suggested or not suggested_only]
        children: list[dict[str, Any]] = []
        inaccessible: list[str] = []
        breaks = Breaks(self._clock)
        for child_id, (child_row, child) in (
            await self._known([child.room_id for child in shown])
        ).items():
            if await self._may_see(server, child_row, child):
                children.append(child.to_json(child_row.joined))
            else:
                inaccessible.append(child_id)
            await breaks.take()
        state = [child.to_json() for child in shown]
        return {
            "room": {**summary.to_json(row.joined), "children_state": state},
            "children": children,
            "inaccessible_children": inaccessible,
        }

    async def _known(self, room_ids: Sequence[str]) -> dict[str, tuple[RoomRow, Summary]]:
        """The rooms in which we are, in this order: of others we know nothing for certain."""
        rows = await self._store.by_ids(room_ids)
        ours = {room_id: row for room_id, row in rows.items() if row.local_joined}
        summaries = await self._summaries.of(list(ours.values()))
        return {
            room_id: (ours[room_id], summaries[ours[room_id].room_nid])
            for room_id in dict.fromkeys(room_ids)
            if room_id in ours
        }

    async def _may_see(self, server: str, row: RoomRow, summary: Summary) -> bool:
        room = await self._rooms.get(row.room_id)
        if not await self._acls.admit(room, server):
            return False
        is_public = summary.join_rule == JoinRules.PUBLIC
        if is_public or summary.is_knockable or summary.is_world_readable:
            return True
        if await self._servers.is_in(room, server):
            return True
        if await self._server_store.users(row.room_nid, server, (Membership.INVITE,)):
            return True
        allowed = await self._store.by_ids(summary.allowed_rooms)
        for other in allowed.values():
            if await self._servers.is_in(await self._rooms.get(other.room_id), server):
                return True
        return False
