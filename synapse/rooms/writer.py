"""The room writer: from what someone wants to say to a committed event.

An event goes through named phases, each with one place:

    duplicate   a transaction id that was used before gets the same event (`synapse.rooms.txns`)
    gather      the room's state that the event is judged by, from memory or the database
    build       hashed and signed on top of the room's newest event (`synapse.events.builder`)
    authorise   the room version's auth rules, and what a redaction may touch
    order       the next position in the room
    write       group commit, with all that is pending in other rooms (`synapse.rooms.persister`)
    announce    to everyone who reads the stream (`committed`)

In rooms with a policy server, there is `approve` between `authorise` and `order`: see
`synapse.rooms.approvals`.

`write` is not waited for before the next event of the room is built on this one. Only where a
room's graph has more ends than an event may name (`MAX_PREV_EVENTS`), the event stands on some of
them, as those of other servers do (`synapse.rooms.standing`); a few events later they have met.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred

from synapse.api.constants import EventTypes
from synapse.api.errors import LimitExceeded
from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events.auth_rules import check_auth
from synapse.events.auth_selection import Slot, auth_slots, judging_slots
from synapse.events.builder import build
from synapse.events.event import Event, StateMap
from synapse.events.policy import POLICY_SLOT
from synapse.rooms.approvals import Approvals, is_asked
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Beginning, Chunk, Entry, Redaction, numbers
from synapse.rooms.commits import Commits
from synapse.rooms.moves import change_by, is_outgoing, moves_of
from synapse.rooms.noise import SILENCE, Noise
from synapse.rooms.redactions import redaction_of
from synapse.rooms.room import HeadMoved, Room
from synapse.rooms.standing import MAX_PREV_EVENTS, Standings
from synapse.storage.stores.events import EventStore, replaced_unsigned
from synapse.storage.stores.forks import KnownState
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_TRIES = 10
# In a room whose policy server takes its time.
_MOST_UNAPPROVED = 100
_APPROVAL_PAUSE_MS = 10_000


@dataclass(slots=True)
class Draft:
    """What someone wants to say in a room."""

    type: str
    sender: str
    content: dict[str, Any]
    state_key: str | None = None
    redacts: str | None = None
    txn: tuple[int, str] | None = None  # device_nid and transaction id
    origin_server_ts: int | None = None  # None: now


@dataclass(frozen=True, slots=True)
class Proposal:
    """An event that could be said in a room, and isn't yet."""

    room: Room
    event: Event
    auth_events: Sequence[Event]


# Finds in a room the event that already says it, if there is one.
Unless = Callable[[Room], Event | None] | None
# Of a room, what is to be said in it, and the state by which it is judged.
Weigh = Callable[[Room, Draft, StateMap], Awaitable[Noise]]


class RoomWriter:
    """Adds events of this server's users to rooms."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        standings: Standings,
        commits: Commits,
        approvals: Approvals,
        clock: Clock,
        *,
        server_name: str,
        key: SigningKey,
        weigh: Weigh,
    ) -> None:
        """`weigh` tells whom an event reaches."""
        self._rooms = rooms
        self._events = events
        self._standings = standings
        self._commits = commits
        self._approvals = approvals
        self._clock = clock
        self._server_name = server_name
        self._domain = ":" + server_name
        self._key = key
        self._weigh = weigh
        self._newest_room_ms = 0

    async def send(self, room_id: str, draft: Draft, *, unless: Unless = None) -> Event:
        """Add one event; returns it when it is committed.

        `unless` may find, once the room is known, that an event already says it; its slots must be
        among the draft's auth slots or its own slot. Raises `NotFound` for an unknown room,
        `AuthError`, what the builder refuses, and what a policy server does.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._send_once(room_id, draft, unless)
            except HeadMoved:
                logger.info("Room %s moved on: building the event anew", room_id)
        return await self._send_once(room_id, draft, unless)

    async def _send_once(
        self, room_id: str, draft: Draft, unless: Unless, approved: Proposal | None = None
    ) -> Event:
        room = await self._rooms.get(room_id)
        await room.turns.acquire()
        try:
            state = await self._gather(room, draft)
            target = await self._events.get(draft.redacts) if draft.redacts else None
            noise = await self._weigh(room, draft, state)
            # Not before all waits: a room that is lost meanwhile must not become busy again.
            if room.lost:
                raise HeadMoved(room_id)
            # What is not yet committed may still fail: then it was not said.
            if unless is not None and (said := unless(room)) and not room.is_pending(said):
                return said
            if approved is None and is_asked(room, draft.type, draft.state_key):
                if room.approvals.waiting >= _MOST_UNAPPROVED:
                    raise LimitExceeded(_APPROVAL_PAUSE_MS)
                # What comes next must not overtake it in this queue either.
                queued = Deferred.fromCoroutine(room.approvals.acquire())
            else:
                queued = None
                chunk = await self._next(room, draft, state, target, noise, approved)
                # Handed over before the turn ends: the next event must not overtake this one.
                written = Deferred.fromCoroutine(self._commits.commit(chunk))
                await self._until_known(chunk)
        finally:
            room.turns.release()
        if queued is not None:
            return await self._send_approved(room, draft, unless, queued)
        await written
        return chunk.last

    async def _send_approved(
        self, room: Room, draft: Draft, unless: Unless, queued: Deferred[None]
    ) -> Event:
        """Add an event with the policy server's signature.

        The room goes on while that one thinks; only what is ours waits, to keep its order.
        """
        await queued
        try:
            approved = await self._approved(room.room_id, draft)
            return await self._send_once(room.room_id, draft, unless, approved)
        finally:
            room.approvals.release()

    async def propose(self, room_id: str, draft: Draft) -> Proposal:
        """Build an event on top of the room's newest ones, and write nothing.

        For what other servers have a part in: an event that they sign too, or that their user says
        (then only its form counts). It comes into the room through the receiver, wherever the room
        has got to by then. Raises what `send` raises.
        """
        room = await self._rooms.get(room_id)
        await room.turns.acquire()
        try:
            # What is not committed yet may fail, and nobody could stand on it.
            await room.writes.empty()
            state = await self._gather(room, draft)
            if room.lost:
                raise HeadMoved(room_id)
            prev_events: Sequence[Event] = room.tips
            if len(prev_events) > MAX_PREV_EVENTS:
                prev_events = await self._standings.some_tips(room, state)
                before = await self._standings.state_before(
                    room, [event.event_id for event in prev_events]
                )
                state = await self._standings.events_of(before, slots_of(room, draft))
            return self._build(room, draft, state, prev_events)
        finally:
            room.turns.release()

    async def create(
        self,
        version: RoomVersion,
        drafts: Sequence[Draft],
        room_id: str,
        *,
        alias: str | None = None,
        published: bool = False,
        notices_for: str | None = None,
    ) -> Room:
        """Begin a room with these events, all or none; the first is its `m.room.create`.

        `room_id` is for versions before 12, whose rooms don't take their id from the create event.
        `notices_for` is the user whose notices room it will be.
        Raises `AuthError`, what the builder refuses, `AliasInUse` and `NoticesRoomExists`.
        """
        beginning = Beginning(self._clock.now_ms(), alias, published, notices_for=notices_for)
        for _ in range(_TRIES - 1):
            try:
                return await self._create_once(version, drafts, room_id, beginning)
            except HeadMoved:
                logger.info("Another process has begun such a room: beginning it a little later")
        return await self._create_once(version, drafts, room_id, beginning)

    async def _create_once(
        self, version: RoomVersion, drafts: Sequence[Draft], room_id: str, beginning: Beginning
    ) -> Room:
        chunk = self._build_room(version, drafts, room_id, beginning)
        await self._commits.commit(chunk)
        return chunk.room

    async def replace(
        self,
        old_room_id: str,
        version: RoomVersion,
        drafts: Sequence[Draft],
        room_id: str,
        *,
        tombstone: Draft,
        seen: Event | None,
    ) -> Room:
        """Begin a room in the place of another one: all of it is committed at once, or nothing.

        The new room begins with `drafts`, the old one gets the `tombstone`, with the new one's id
        in its content, and loses its aliases and its place in the directory to the new one. `seen`
        is the tombstone that the caller knows. Raises `HeadMoved` if there is another one by now,
        or if somebody else wrote first: then look again; and what `create` raises.
        """
        old = await self._rooms.get(old_room_id)
        beginning = Beginning(self._clock.now_ms(), replaces=old.nid)
        first = self._build_room(version, drafts, room_id, beginning)
        tombstone.content["replacement_room"] = first.room.room_id
        await self._gather(old, tombstone)
        approved = None
        if is_asked(old, tombstone.type, tombstone.state_key):
            approved = await self._approved(old_room_id, tombstone)
        await old.turns.acquire()
        try:
            state = await self._gather(old, tombstone)
            noise = await self._weigh(old, tombstone, state)
            if old.lost or old.current((EventTypes.TOMBSTONE, "")) is not seen:
                raise HeadMoved(old_room_id)
            last = await self._next(old, tombstone, state, None, noise, approved)
            written = Deferred.fromCoroutine(self._commits.commit_together([first, last]))
            await self._until_known(last)
        finally:
            old.turns.release()
        await written
        return first.room

    def _build_room(
        self, version: RoomVersion, drafts: Sequence[Draft], room_id: str, beginning: Beginning
    ) -> Chunk:
        if version.room_id_is_hash:
            # Two rooms that begin alike in the same millisecond would be one.
            self._newest_room_ms = max(self._clock.now_ms(), self._newest_room_ms + 1)
            drafts[0].origin_server_ts = self._newest_room_ms
        room = Room(room_id, version)
        chunk = self._begin(room)
        chunk.beginning = beginning
        for draft in drafts:
            slots = slots_of(room, draft)
            state = {slot: e for slot in slots if (e := room.current(slot)) is not None}
            # Nobody is there to hear it.
            self._add(chunk, draft, state, None, SILENCE)
            if draft.type == EventTypes.CREATE:
                room.room_id = chunk.last.room_id
        self._end(chunk)
        return chunk

    # approve

    async def _approved(self, room_id: str, draft: Draft) -> Proposal:
        proposal = await self.propose(room_id, draft)
        event = await self._approvals.approve(proposal.room, proposal.event)
        return replace(proposal, event=event)

    # gather

    async def _gather(self, room: Room, draft: Draft) -> StateMap:
        slots = slots_of(room, draft)
        if not room.knows(POLICY_SLOT):
            # In one look into the database.
            await self._rooms.state(room, [POLICY_SLOT, *slots])
        return await self._rooms.state(room, slots)

    # build, authorise, order

    def _begin(self, room: Room) -> Chunk:
        return Chunk(room, room.head, numbers(room))

    async def _next(
        self,
        room: Room,
        draft: Draft,
        state: StateMap,
        target: Event | None,
        noise: Noise,
        approved: Proposal | None,
    ) -> Chunk:
        """A chunk of one event on top of the room's newest ones, or as many as it may name."""
        chunk = self._begin(room)
        chunk.txn = draft.txn
        try:
            if approved is not None:
                await self._put_anywhere(chunk, approved, draft, state, target, noise)
            elif len(room.tips) <= MAX_PREV_EVENTS:
                self._add(chunk, draft, state, target, noise)
            else:
                await self._add_beside(chunk, draft, state, target, noise)
        except BaseException:
            self._abandon(chunk)
            raise
        self._end(chunk)
        self._rooms.busy(room)
        return chunk

    async def _until_known(self, chunk: Chunk) -> None:
        """Wait for the commit, if only then it is known what the room's state becomes."""
        if chunk.entries[-1].fork is not None:
            await chunk.room.writes.empty()

    def _add(
        self, chunk: Chunk, draft: Draft, state: StateMap, target: Event | None, noise: Noise
    ) -> None:
        self._put(
            chunk, self._build(chunk.room, draft, state, chunk.room.tips), state, target, noise
        )

    async def _put_anywhere(
        self,
        chunk: Chunk,
        approved: Proposal,
        draft: Draft,
        view: StateMap,
        target: Event | None,
        noise: Noise,
    ) -> None:
        room, event = chunk.room, approved.event
        check_auth(event, view, signed_by=self._signed_by)
        prev_event_ids = event.prev_event_ids()
        if {tip.event_id for tip in room.tips} == set(prev_event_ids):
            self._put(chunk, approved, view, target, noise)
            return
        # Others have said something meanwhile.
        await room.writes.empty()
        before = await self._standings.state_before(room, prev_event_ids)
        state = await self._standings.events_of(before, slots_of(room, draft))
        check_auth(event, state, signed_by=self._signed_by)
        await self._put_beside(chunk, approved, before, state, target, noise)

    def _put(
        self, chunk: Chunk, built: Proposal, state: StateMap, target: Event | None, noise: Noise
    ) -> None:
        """Put an event on top of the room's newest ones."""
        room, event = chunk.room, built.event
        self._redact(chunk, event, target, state)
        replaced = room.current(event.slot) if event.state_key is not None else None
        _tell_replaced(event, replaced)
        moves = moves_of(change_by(room, event, is_local=self._is_ours(event)))
        outgoing = is_outgoing(room, state, moves)
        chunk.entries.append(
            Entry(event, built.auth_events, replaced, noise, moves=moves, is_outgoing=outgoing)
        )
        room.append(event, is_local=self._is_ours(event))

    async def _add_beside(
        self, chunk: Chunk, draft: Draft, view: StateMap, target: Event | None, noise: Noise
    ) -> None:
        room = chunk.room
        await room.writes.empty()
        prev_events = await self._standings.some_tips(room, view)
        before = await self._standings.state_before(room, [e.event_id for e in prev_events])
        state = await self._standings.events_of(before, slots_of(room, draft))
        built = self._build(room, draft, state, prev_events)
        # Others will hold it against the room's state, too.
        check_auth(built.event, view, signed_by=self._signed_by)
        await self._put_beside(chunk, built, before, state, target, noise)

    async def _put_beside(
        self,
        chunk: Chunk,
        built: Proposal,
        before: KnownState,
        state: StateMap,
        target: Event | None,
        noise: Noise,
    ) -> None:
        """Put an event into the room that stands on a state of its own."""
        room, event = chunk.room, built.event
        tips = await self._standings.tips_with(room, event)
        fork = await self._standings.fork(room, event, before, built.auth_events, tips)
        changes = await self._standings.changes(room, event, fork)
        if room.lost:
            raise HeadMoved(room.room_id)
        self._redact(chunk, event, target, state)
        replaced = state.get(event.slot) if event.state_key is not None else None
        _tell_replaced(event, replaced)
        moves = moves_of(changes)
        outgoing = is_outgoing(room, state, moves)
        chunk.entries.append(
            Entry(
                event,
                built.auth_events,
                replaced,
                noise,
                fork,
                moves=moves,
                is_outgoing=outgoing,
            )
        )
        room.append_beside(event, tips, changes, has_gap=False)

    def _build(
        self, room: Room, draft: Draft, state: StateMap, prev_events: Sequence[Event]
    ) -> Proposal:
        """The event, which its state allows, and its auth events."""
        wanted = auth_slots(draft.type, draft.state_key, draft.sender, draft.content, room.version)
        auth_events = [state[slot] for slot in wanted if slot in state]
        event = build(
            room.version,
            room_id=room.room_id,
            type=draft.type,
            sender=draft.sender,
            state_key=draft.state_key,
            content=draft.content,
            prev_events=prev_events,
            auth_events=auth_events,
            depth=room.depth + 1,
            origin_server_ts=draft.origin_server_ts or self._clock.now_ms(),
            server_name=self._server_name,
            key=self._key,
            redacts=draft.redacts,
            event_id_localpart=secrets.token_urlsafe(18) if room.version.events_have_ids else None,
        )
        check_auth(event, state, signed_by=self._signed_by)
        return Proposal(room, event, auth_events)

    def _redact(self, chunk: Chunk, event: Event, target: Event | None, state: StateMap) -> None:
        if target is not None:
            redacted = redaction_of(event, target, state)
            if redacted is not None:
                chunk.redactions.append(Redaction(target, redacted, event, self._clock.now_ms()))

    def _is_ours(self, event: Event) -> bool:
        return event.state_key is not None and event.state_key.endswith(self._domain)

    def _signed_by(self, server: str) -> bool:
        return server == self._server_name

    def _abandon(self, chunk: Chunk) -> None:
        # An event that was refused left no trace in the room; one that broke in between did.
        if chunk.room.head != chunk.head:
            self._rooms.discard(chunk.room)

    def _end(self, chunk: Chunk) -> None:
        chunk.after = numbers(chunk.room)


def _tell_replaced(event: Event, replaced: Event | None) -> None:
    if replaced is not None:
        event.unsigned = replaced_unsigned(replaced.event_id, replaced.json)


def slots_of(room: Room, draft: Draft) -> list[Slot]:
    """The slots by which it is judged what is to be said in a room."""
    return judging_slots(draft.type, draft.state_key, draft.sender, draft.content, room.version)
