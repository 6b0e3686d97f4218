"""Leaves that other servers have not heard of, and are told when they can be reached.

A user of ours refuses an invite, or takes a knock back, while the server that could say so in the
room is away. Who doesn't want to be invited must not depend on who invites, so it holds here at
once; the others are told later, as often as it is worth it.
"""

import logging
from collections.abc import Sequence
from functools import partial

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden, MatrixError, NotFound
from synapse.events.event import Event
from synapse.federation.attempts import first_success
from synapse.federation.handshakes import Handshakes
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.names import Names
from synapse.storage.stores.untold_leaves import UntoldLeave, UntoldLeaveStore
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_FIRST_PAUSE_MS = 60_000
_LONGEST_PAUSE_MS = 24 * 3600 * 1000
# About two weeks.
_MAX_TRIES = 25
_MAX_SERVERS = 10
_AT_ONCE = 10
# The reason that the user gave was for who could hear it then.
_LEAVE = {"membership": Membership.LEAVE}


class UntoldLeaves:
    """Remembers them, and tells of them."""

    def __init__(
        self,
        store: UntoldLeaveStore,
        rooms: RoomCache,
        names: Names,
        writer: RoomWriter,
        handshakes: Handshakes,
        clock: Clock,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._names = names
        self._writer = writer
        self._handshakes = handshakes
        self._clock = clock
        self._is_running = False

    async def add(
        self, room: Room, user_id: str, left: Event, leave: Event, servers: Sequence[str]
    ) -> None:
        """One of these servers is to hear that a leave has ended an invite or a knock."""
        user_nid = await self._names.nid(user_id)
        assert user_nid is not None, "who has a member event has a number"
        next_ms = self._clock.now_ms() + _FIRST_PAUSE_MS
        some = list(servers[:_MAX_SERVERS])
        await self._store.save(
            UntoldLeave(room.nid, user_nid, left.event_id, leave.event_id, some, 1, next_ms)
        )

    async def run_due(self) -> None:
        """Tell of those whose time has come."""
        if self._is_running:
            return
        self._is_running = True
        try:
            for leave in await self._store.due(self._clock.now_ms(), _AT_ONCE):
                await self._try(leave)
        finally:
            self._is_running = False

    async def _try(self, leave: UntoldLeave) -> None:
        room = await self._rooms.get_by_nid(leave.room_nid)
        user_id = (await self._names.texts([leave.user_nid]))[leave.user_nid]
        try:
            await self._tell(room, user_id, leave)
        except (Forbidden, NotFound) as error:
            logger.info("%s need not leave %s: %s", user_id, room.room_id, error)
        except MatrixError as error:
            if leave.tries < _MAX_TRIES:
                pause_ms = min(_FIRST_PAUSE_MS * 2**leave.tries, _LONGEST_PAUSE_MS)
                next_ms = self._clock.now_ms() + pause_ms
                await self._store.save(leave._replace(tries=leave.tries + 1, next_ms=next_ms))
                return
            logger.warning("That %s left %s is told nobody: %s", user_id, room.room_id, error)
        await self._store.done(leave)

    async def _tell(self, room: Room, user_id: str, leave: UntoldLeave) -> None:
        """Do it, unless something came of it meanwhile. Raises `MatrixError`."""
        current = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        if current is None or current.event_id not in (leave.left_id, leave.leave_id):
            return
        if not room.local_joined:
            attempt = partial(self._tell_one, user_id, room.room_id)
            await first_success(f"Leaving {room.room_id}", leave.servers, attempt)
        elif current.event_id == leave.left_id:
            # We have come into the room, where the user is invited to this day.
            draft = Draft(EventTypes.MEMBER, user_id, _LEAVE, state_key=user_id)
            await self._writer.send(room.room_id, draft)

    async def _tell_one(self, user_id: str, room_id: str, server: str) -> None:
        event = await self._handshakes.event(server, room_id, user_id, _LEAVE)
        await self._handshakes.send(server, event)
