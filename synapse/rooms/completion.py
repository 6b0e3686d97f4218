"""Completion: a room that was entered without its members becomes whole.

Once the members before our join are known, everything since is replayed on the whole state
(`synapse.rooms.replay`): most of that goes on while the room does, and only the rest in the room's
turn. Then one commit corrects all that followed from the lack: the events' states, what is refused
now, the tables of the current state, and which servers are in the room.

Clients that load members lazily need not be told: they ask for members when they want them. What
they may have been told otherwise flips (`synapse.storage.stores.flips`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from synapse.api.constants import EventTypes
from synapse.api.identifiers import domain_of
from synapse.events.event import Event
from synapse.rooms.announce import Announcer
from synapse.rooms.arrivals import Arrival
from synapse.rooms.cache import RoomCache
from synapse.rooms.completion_rows import Completed, MemberRow, write_completed
from synapse.rooms.judging import slots_of_event, why_not
from synapse.rooms.replay import AskState, MustAsk, Replay
from synapse.rooms.room import HeadMoved, Room, head_of_whole
from synapse.rooms.wholeness import Wholeness
from synapse.storage.database import Database
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.forks import ForkStore
from synapse.storage.stores.members import Membership
from synapse.storage.stores.names import Names
from synapse.storage.stores.partial_rooms import CurrentRows, PartialRoomStore
from synapse.storage.stores.slots import Slots
from synapse.storage.stores.states import StateStore
from synapse.storage.transaction import Transaction
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_AT_ONCE = 500
# So many events are replayed in the room's turn; as long as there are more, before it.
_FEW = 20
_MOST_ROUNDS = 20


class _Counted(NamedTuple):
    """A member, as the whole state says."""

    user_nid: int
    user_id: str
    membership: Membership
    event_nid: int


class Completion:
    """Completes rooms."""

    def __init__(
        self,
        database: Database,
        rooms: RoomCache,
        store: PartialRoomStore,
        events: EventStore,
        states: StateStore,
        names: Names,
        slots: Slots,
        forks: ForkStore,
        announcer: Announcer,
        wholeness: Wholeness,
        clock: Clock,
        *,
        server_name: str,
        forget: Callable[[Transaction, Sequence[int]], None],
    ) -> None:
        """`forget` takes away what is derived from events that have no place any more."""
        self._database = database
        self._rooms = rooms
        self._store = store
        self._events = events
        self._states = states
        self._names = names
        self._slots = slots
        self._forks = forks
        self._announcer = announcer
        self._wholeness = wholeness
        self._clock = clock
        self._domain = ":" + server_name
        self._forget = forget
        self._listeners: list[Callable[[int], object]] = []
        self._write = self._apply

    def listen(self, callback: Callable[[int], object]) -> None:
        """Tell of the numbers of rooms that have become whole."""
        self._listeners.append(callback)

    async def keep_members(self, room: Room, members: Sequence[Event]) -> None:
        """Keep the members before our join: with what was told then, the whole state.

        They are in the database. Raises `AuthError` if such a state forbids our join.
        """
        join = room.entrance
        assert join is not None, "only partial rooms lack members"
        known = dict(await self._states.at(join.state_nid))
        slots = await self._slots.slots(known)
        whole = {nid: known[nid] for nid, slot in slots.items() if slot[0] != EventTypes.MEMBER}
        async for some in Breaks(self._clock).portions(members, _AT_ONCE):
            nids = await self._slots.nids([event.slot for event in some])
            whole.update((nids[event.slot], event.nid) for event in some)
        await self._check(join, whole)
        await self._store.keep_whole(room.nid, join.nid, whole)

    async def _check(self, join: Event, whole: Mapping[int, int]) -> None:
        nids = await self._slots.nids(slots_of_event(join))
        state = await self._events.by_nids(whole[nid] for nid in nids.values() if nid in whole)
        cited = await self._events.get_many(join.auth_event_ids())
        signed_by = frozenset(join.parsed().get("signatures", ()))
        arrival = Arrival(join, list(cited.values()), signed_by)
        if error := why_not(arrival, {event.slot: event for event in state.values()}):
            raise error

    async def complete(self, room_id: str, ask: AskState) -> None:
        """Make a room whole, the members of which were kept. Raises `HeadMoved`: try again.

        `ask` has another server tell the state before an event that stands on what we don't have;
        what it raises comes through.
        """
        room = await self._rooms.get(room_id)
        partial = await self._store.get(room.nid)
        if partial is None or room.entrance is None:
            return
        assert partial.whole_nid is not None, "the members are kept first"
        whole = await self._states.whole(partial.whole_nid)
        census = await self._census(whole)
        replay = Replay(
            room,
            partial.whole_nid,
            whole,
            self._events,
            self._slots,
            self._states,
            self._forks,
            self._clock,
            ask=ask,
        )
        for _ in range(_MOST_ROUNDS):
            while await replay.catch_up() > _FEW:
                pass
            await replay.judge_asides(await self._store.asides_since(room.nid, replay.join_nid))
            item = await self._in_turn(room_id, replay, whole, census)
            if item is not None:
                break
        else:
            raise HeadMoved(room_id)
        refused = sum(outcome.is_refused for outcome in item.outcomes)
        logger.info(
            "The room %s is whole: %d members, %d events since the join, %d of them refused",
            room_id,
            item.joined,
            len(item.outcomes),
            refused,
        )

    async def _in_turn(
        self,
        room_id: str,
        replay: Replay,
        whole: Mapping[int, int],
        census: Mapping[int, "_Counted"],
    ) -> Completed | None:
        """Replay the rest, and write it all. None: not before another server was asked."""
        room = await self._rooms.get(room_id)
        await room.turns.acquire()
        try:
            await room.writes.empty()
            await replay.catch_up(may_ask=False)
            await replay.judge_asides(await self._store.asides_since(room.nid, replay.join_nid))
            if room.lost or room.entrance is None:
                raise HeadMoved(room_id)
            item = await self._completed(room, replay, whole, census)
            await self._database.write(self._write, item)
            return item
        except MustAsk:
            return None
        finally:
            room.turns.release()

    async def _census(self, state: Mapping[int, int]) -> dict[int, _Counted]:
        """The members in a state, by slot."""
        members = await self._store.members_in(state.keys())
        census: dict[int, _Counted] = {}
        async for some in Breaks(self._clock).portions(list(members), _AT_ONCE):
            events = await self._events.by_nids(state[slot_nid] for slot_nid in some)
            for slot_nid in some:
                user_nid, user_id = members[slot_nid]
                event = events.get(state[slot_nid])
                if event is not None:
                    membership = Membership.of(event.membership)
                    census[slot_nid] = _Counted(user_nid, user_id, membership, event.nid)
        return census

    async def _completed(
        self,
        room: Room,
        replay: Replay,
        whole: Mapping[int, int],
        census: Mapping[int, _Counted],
    ) -> Completed:
        join, view = room.entrance, replay.view
        assert join is not None, "the room is partial until it is completed"
        breaks = Breaks(self._clock)  # each step below looks at each member
        changed = view.changes
        final = {slot: member for slot, member in census.items() if slot not in changed}
        final |= await self._census({slot: nid for slot, nid in changed.items() if nid})
        await breaks.take()
        member_slots = census.keys() | (await self._store.members_in(changed.keys())).keys()
        current = await self._store.current(room.nid)
        members, gone = await self._member_rows(final, current)
        others = {
            slot_nid: replay.at(view, slot_nid)
            for slot_nid in whole.keys() | changed.keys()
            if slot_nid not in member_slots
        }
        await breaks.take()
        room_state = _differences(current.room_state, others)
        told = await self._states.at(room.view_nid)
        flips = {s: replay.at(view, s) for s, nid in told.items() if replay.at(view, s) != nid}
        flips |= room_state
        await breaks.take()
        joined = [m for m in final.values() if m.membership is Membership.JOIN]
        await breaks.take()
        invited = sum(m.membership is Membership.INVITE for m in final.values())
        ours = {m.user_nid: m for m in final.values() if m.user_id.endswith(self._domain)}
        await breaks.take()
        return Completed(
            room=room,
            join_nid=join.nid,
            whole_nid=view.base_nid,
            head=head_of_whole(room.head),
            outcomes=replay.outcomes,
            view=view,
            tips=[tip.nid for tip in replay.tips],
            joined=len(joined),
            invited=invited,
            local_joined=sum(m.membership is Membership.JOIN for m in ours.values()),
            members=members,
            gone_members=gone,
            room_state=room_state,
            flips=flips,
            servers=Counter(
                domain_of(m.user_id) for m in joined if not m.user_id.endswith(self._domain)
            ),
            ours=[nid for nid, m in ours.items() if m.membership is Membership.JOIN],
            ours_changed={
                **{row.user_nid: row.membership for row in members if row.user_nid in ours},
                **dict.fromkeys(await self._ours_among(gone), Membership.LEAVE),
            },
        )

    async def _member_rows(
        self, final: Mapping[int, _Counted], current: CurrentRows
    ) -> tuple[list[MemberRow], list[int]]:
        """What changes in `members`: the rows, and the users who have none any more."""
        rows: list[MemberRow] = []
        gone = set(current.members)
        async for some in Breaks(self._clock).portions(list(final.values()), _AT_ONCE):
            for user_nid, _, membership, event_nid in some:
                known = current.members.get(user_nid)
                if known != event_nid:
                    rows.append(MemberRow(user_nid, membership, event_nid, known is None))
            gone.difference_update(member.user_nid for member in some)
        return rows, list(gone)

    async def _ours_among(self, user_nids: Sequence[int]) -> list[int]:
        names = await self._names.texts(user_nids)
        return [nid for nid, name in names.items() if name.endswith(self._domain)]

    def _apply(self, txn: Transaction, items: list[Completed]) -> None:
        first = txn.stream(sum(len(item.states()) + 1 for item in items))
        for item in items:
            nids = self._names.intern(txn, list(item.servers))
            position = write_completed(txn, item, first, nids)
            first = position + 1
            self._forget(txn, [o.event.nid for o in item.outcomes if o.is_refused])
            self._tell(txn, item, position)

    def _tell(self, txn: Transaction, item: Completed, position: int) -> None:
        txn.after_commit(lambda: self._committed(item, position))

    def _committed(self, item: Completed, position: int) -> None:
        room = item.room
        for outcome in item.outcomes:
            self._events.forget(outcome.event.nid)
        # What it knows of the room is of before.
        self._rooms.discard(room)
        self._rooms.overtook(room.room_id)
        self._announcer.became_whole(room.nid, position, item.ours, item.ours_changed)
        for listener in self._listeners:
            listener(room.nid)
        self._wholeness.moved(room.nid)


def _differences(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    """Where the second of two states differs; 0: it has nothing there."""
    found = {slot: nid for slot, nid in after.items() if before.get(slot, 0) != nid}
    return found | dict.fromkeys(before.keys() - after.keys(), 0)
