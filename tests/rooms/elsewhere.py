"""A room as other servers see it: events that stand wherever a test wants them to."""

from collections.abc import Sequence
from typing import Any

from synapse.api.room_versions import RoomVersion
from synapse.crypto.signing import SigningKey
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_selection import CREATE_SLOT, Slot, auth_slots
from synapse.events.builder import build
from synapse.events.event import Event
from synapse.rooms.arrivals import Arrival
from tests.state.naive import naive_resolve

KEY = SigningKey.from_line("ed25519 a_else " + "B" * 43)
_START_MS = 1_700_000_000_000


class Elsewhere:
    """Knows all events of a room, and by the naive resolution the state after each."""

    server_name = "elsewhere"  # whose users send

    def __init__(self, version: RoomVersion, room_id: str, key: SigningKey) -> None:
        self.version = version
        self.key = key
        self.room_id = room_id
        self.events: dict[str, Event] = {}
        self.state_after: dict[str, dict[Slot, str]] = {}
        self.last = ""

    @classmethod
    def of(
        cls, version: RoomVersion, beginning: Sequence[Event], *, key: SigningKey = KEY
    ) -> "Elsewhere":
        """A room that began with these events, in one line."""
        room = cls(version, beginning[0].room_id, key)
        state: dict[Slot, str] = {}
        for event in beginning:
            state = room.add(event, state)
            room.last = event.event_id
        return room

    @classmethod
    def begin(cls, version: RoomVersion, creator: str, *, key: SigningKey = KEY) -> "Elsewhere":
        """A new public room."""
        room = cls(version, f"!room{version.identifier}:elsewhere", key)
        content: dict[str, Any] = {"room_version": version.identifier}
        if not version.implicit_creator:
            content["creator"] = creator
        create = room.must_send("m.room.create", creator, content, "")
        room.room_id = create.room_id
        room.join(creator)
        levels = {} if version.privileged_creators else {creator: 100}
        room.must_send("m.room.power_levels", creator, {"users": levels}, "")
        room.must_send("m.room.join_rules", creator, {"join_rule": "public"}, "")
        return room

    def add(self, event: Event, state: dict[Slot, str]) -> dict[Slot, str]:
        """Take up an event that stands on a state; the state after it."""
        self.events[event.event_id] = event
        after = {**state, event.slot: event.event_id} if event.state_key is not None else state
        self.state_after[event.event_id] = after
        return after

    def resolved(self, event_ids: Sequence[str]) -> dict[Slot, str]:
        states = [self.state_after[event_id] for event_id in event_ids]
        return naive_resolve(self.version, states, self.events)

    def send(
        self,
        type: str,
        sender: str,
        content: dict[str, Any],
        state_key: str | None = None,
        *,
        after: Sequence[str] = (),
        redacts: str | None = None,
        forbidden: bool = False,
    ) -> Event | None:
        """A new event behind others, or the last one; None if the rules don't allow it there.

        `forbidden` makes it all the same.
        """
        last = [self.last] if self.last else []
        prev_events = [self.events[event_id] for event_id in after or last]
        state = self.resolved([e.event_id for e in prev_events]) if prev_events else {}
        number = len(self.events)
        slots = auth_slots(type, state_key, sender, content, self.version)
        event = build(
            self.version,
            room_id=self.room_id,
            type=type,
            sender=sender,
            state_key=state_key,
            content=content,
            prev_events=prev_events,
            auth_events=[self.events[state[slot]] for slot in slots if slot in state],
            depth=1 + max((event.depth for event in prev_events), default=0),
            origin_server_ts=_START_MS + number * 1000,
            server_name=self.server_name,
            key=self.key,
            redacts=redacts,
            event_id_localpart=f"{number}{self.room_id[1:].partition(':')[0]}"
            if self.version.events_have_ids
            else None,
        )
        known = {slot: self.events[state[slot]] for slot in {*slots, CREATE_SLOT} if slot in state}
        try:
            check_auth(event, known)
        except AuthError:
            if not forbidden:
                return None
        self.add(event, state)
        self.last = event.event_id
        return event

    def must_send(self, *arguments: Any, **more: Any) -> Event:
        event = self.send(*arguments, **more)
        assert event is not None, f"the rules forbid {arguments}"
        return event

    def join(self, user_id: str, **more: Any) -> Event:
        return self.must_send("m.room.member", user_id, {"membership": "join"}, user_id, **more)

    def say(self, user_id: str, body: str, **more: Any) -> Event:
        return self.must_send("m.room.message", user_id, {"body": body}, **more)

    def topic(self, user_id: str, topic: str, **more: Any) -> Event:
        return self.must_send("m.room.topic", user_id, {"topic": topic}, "", **more)

    def state(self) -> list[Event]:
        """The state after the event that was sent last."""
        return [copy_of(self.events[event_id]) for event_id in self.state_after[self.last].values()]

    def arrival(self, event: Event) -> Arrival:
        """The event as it comes to a server that has its auth events."""
        auth_events = [self.events[event_id] for event_id in event.auth_event_ids()]
        return Arrival(copy_of(event), auth_events, frozenset({"elsewhere"}))


def copy_of(event: Event) -> Event:
    return Event(
        json=event.json,
        event_id=event.event_id,
        room_id=event.room_id,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        depth=event.depth,
        origin_server_ts=event.origin_server_ts,
        version=event.version,
    )
