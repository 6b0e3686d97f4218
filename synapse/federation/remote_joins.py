"""Users of ours join rooms through other servers.

Usually because this server isn't in the room. One such join is under way in a room at a time: once
it is done the server is in the room, and whoever waited joins from within. Nothing is remembered
of a join that breaks off: the next try makes another event, wherever the room has got to.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from synapse.api.errors import Forbidden, MatrixError, NotFound
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.federation.attempts import first_success
from synapse.federation.candidates import Candidates
from synapse.federation.errors import Unanswered
from synapse.federation.handshakes import Handshakes, How
from synapse.federation.inbound import Inbound
from synapse.federation.pdus import Verified
from synapse.federation.told_rooms import ToldRooms, read_told
from synapse.federation.wire import MEBIBYTE
from synapse.rooms.cache import RoomCache
from synapse.rooms.receiver import Verdict
from synapse.rooms.room import HeadMoved, Room
from synapse.storage.stores.events import EventStore
from synapse.util.clock import Clock
from synapse.util.turns import Turns

# A room of a hundred thousand members has a state of some 70 MiB.
_HOW = How(
    timeout_s=300.0,
    max_bytes=200 * MEBIBYTE,
    decode=read_told,
    query={"omit_members": "true"},
)
# How often a room is entered that moves meanwhile.
_TRIES = 5
# How long a server may take to hear what it has missed, and then to take it up.
_HEARING_S = 10.0
_TAKING_UP_S = (0.0, 0.5, 1.0, 2.0, 4.0)


class RemoteJoins:
    """Joins rooms by the help of other servers."""

    def __init__(
        self,
        rooms: RoomCache,
        handshakes: Handshakes,
        candidates: Candidates,
        told_rooms: ToldRooms,
        inbound: Inbound,
        events: EventStore,
        clock: Clock,
        *,
        server_name: str,
        bring_up_to_date: Callable[[str, float], Awaitable[bool]],
        entered: Callable[[int], object],
    ) -> None:
        """`bring_up_to_date` gives a server what waits for it, within so many seconds, and tells
        whether there was something. `entered` is told of the rooms that were entered, by their
        numbers."""
        self._rooms = rooms
        self._handshakes = handshakes
        self._candidates = candidates
        self._told_rooms = told_rooms
        self._inbound = inbound
        self._events = events
        self._clock = clock
        self._server_name = server_name
        self._bring_up_to_date = bring_up_to_date
        self._entered = entered
        self._turns: dict[str, Turns] = {}
        self._waiting: dict[str, int] = {}

    async def join(
        self,
        user_id: str,
        room_id: str,
        content: Mapping[str, Any],
        servers: Sequence[str],
        *,
        from_within: bool,
    ) -> str | None:
        """Join a room through `servers` or others; the join's event id.

        None: the server came into the room meanwhile, so the user can join from within. Unless
        that is what doesn't work: `from_within` is for restricted rooms into which nobody of ours
        may let the user. Raises `NotFound`, `Forbidden`, and what `first_success` raises.
        """
        turns = self._turns.setdefault(room_id, Turns())
        self._waiting[room_id] = self._waiting.get(room_id, 0) + 1
        await turns.acquire()
        try:
            room = await self._known(room_id)
            if room is not None and room.local_joined and not from_within:
                return None
            candidates = await self._candidates.of(room_id, user_id, servers)
            attempt = partial(self._join_through, user_id, room_id, content)
            return await first_success(f"Joining {room_id}", candidates, attempt)
        finally:
            turns.release()
            self._waiting[room_id] -= 1
            if not self._waiting[room_id]:
                del self._waiting[room_id], self._turns[room_id]

    async def _join_through(
        self, user_id: str, room_id: str, content: Mapping[str, Any], server: str
    ) -> str:
        join = await self._handshakes.event(server, room_id, user_id, content)
        room = await self._known(room_id)
        if room is not None:
            join = await self._after_what_we_said(room, user_id, content, server, join)
        told = await self._handshakes.send(server, join, how=_HOW)
        verified = await self._told_rooms.join_of(server, join, told)
        for _ in range(_TRIES):
            room = await self._known(room_id)
            if room is not None and room.local_joined:
                return await self._take_up(server, room, verified)
            try:
                await self._told_rooms.enter(server, verified, told)
            except HeadMoved:
                continue  # something of before was still under way in the room
            self._entered((await self._rooms.get(room_id)).nid)
            return join.event_id
        raise HeadMoved(room_id)

    async def _after_what_we_said(
        self, room: Room, user_id: str, content: Mapping[str, Any], server: str, join: Event
    ) -> Event:
        """The join, once the server knows all that happened here.

        Who left while the server was out of reach is still in the room for it. The join would
        stand beside the leave, and each server decide by itself which of them counts.
        """
        lacked = await self._bring_up_to_date(server, _HEARING_S)
        if not lacked and not await self._is_beside_ours(room, join):
            return join
        ours = [tip for tip in room.tips if domain_of(tip.sender) == self._server_name]
        for pause_s in _TAKING_UP_S:
            await self._clock.sleep(pause_s)
            if not ours or await self._handshakes.knows(server, ours[-1].event_id):
                break
        return await self._handshakes.event(server, room.room_id, user_id, content)

    async def _is_beside_ours(self, room: Room, join: Event) -> bool:
        """Whether it stands on what was here before the last that happened here."""
        found = await self._events.in_room(room.room_id, join.prev_event_ids())
        tips = {tip.event_id for tip in room.tips}
        return any(e.pos is not None and e.event_id not in tips for e in found.values())

    async def _take_up(self, server: str, room: Room, join: Verified) -> str:
        """Put the join into a room that this server is in."""
        try:
            verdict = await self._inbound.take_up(server, room, join)
        except MatrixError as error:
            raise Unanswered(f"The join through {server} has no place here: {error}") from None
        if verdict in (Verdict.REJECTED, Verdict.SOFT_FAILED):
            raise Forbidden("The room does not allow this join")
        return join.event.event_id

    async def _known(self, room_id: str) -> Room | None:
        try:
            return await self._rooms.get(room_id)
        except NotFound:
            return None
