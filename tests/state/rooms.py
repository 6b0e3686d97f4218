"""Rooms with forks, for the tests of state resolution."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.auth_rules import AuthError, check_auth
from synapse.events.auth_selection import Slot, auth_slots
from synapse.events.event import Event
from tests.events.auth_rooms import ALICE, make_event
from tests.state.naive import naive_resolve

CREATE_SLOT = ("m.room.create", "")


class ForkedRoom:
    """A room of Alice's. `send` says behind which events each new event stands."""

    def __init__(self, version: str, **create: Any) -> None:
        self.version = ROOM_VERSIONS[version]
        self.events: dict[str, Event] = {}
        self.state_after: dict[str, dict[Slot, str]] = {}
        self.last = ""  # the event that was sent last
        content = {"creator": ALICE, **create}
        event = make_event(
            self.version,
            "m.room.create",
            ALICE,
            content,
            "",
            event_id="$create:a",
            prev_events=[],
            origin_server_ts=0,
        )
        self._accept(event, {})

    def state_before(self, *prev_events: str) -> dict[Slot, str]:
        states = [self.state_after[event_id] for event_id in prev_events]
        return naive_resolve(self.version, states, self.events)

    def send(
        self,
        type: str,
        sender: str,
        content: Any,
        state_key: str,
        *,
        after: Sequence[str] = (),
        ts: int | None = None,
        authorised_at: str | None = None,
        name: str | None = None,
    ) -> str | None:
        """The new state event's id, or None if the rules don't allow it there.

        It comes after the one sent last unless `after` says otherwise. `authorised_at` makes the
        sender choose its auth events from the state after an older event.
        """
        prev_events = list(after) or [self.last]
        state = self.state_before(*prev_events)
        source = state if authorised_at is None else self.state_after[authorised_at]
        slots = auth_slots(type, state_key, sender, content, self.version)
        number = len(self.events)
        event = make_event(
            self.version,
            type,
            sender,
            content,
            state_key,
            # Ids in no order that the tests could lean on.
            event_id=name or f"${sha256(str(number).encode()).hexdigest()[:8]}:a",
            prev_events=prev_events,
            auth_events=[source[slot] for slot in slots if slot in source],
            origin_server_ts=number if ts is None else ts,
            depth=1 + max(self.events[event_id].depth for event_id in prev_events),
        )
        if not self._is_allowed(event, source) or not self._is_allowed(event, state):
            return None
        self._accept(event, state)
        return event.event_id

    def must_send(self, *arguments: Any, **more: Any) -> str:
        event_id = self.send(*arguments, **more)
        assert event_id is not None, f"the rules forbid {arguments}"
        return event_id

    def join(self, user: str, **more: Any) -> str:
        return self.must_send("m.room.member", user, {"membership": "join"}, user, **more)

    def member(self, sender: str, user: str, membership: str, **more: Any) -> str:
        return self.must_send("m.room.member", sender, {"membership": membership}, user, **more)

    def levels(self, sender: str, users: dict[str, int], **more: Any) -> str:
        return self.must_send("m.room.power_levels", sender, {"users": users}, "", **more)

    def join_rule(self, sender: str, rule: str, **more: Any) -> str:
        return self.must_send("m.room.join_rules", sender, {"join_rule": rule}, "", **more)

    def topic(self, sender: str, topic: str, **more: Any) -> str:
        return self.must_send("m.room.topic", sender, {"topic": topic}, "", **more)

    def states(self, *event_ids: str) -> list[dict[Slot, str]]:
        return [self.state_after[event_id] for event_id in event_ids]

    def _is_allowed(self, event: Event, state: dict[Slot, str]) -> bool:
        slots = auth_slots(event.type, event.state_key, event.sender, event.content, event.version)
        known = {slot: self.events[state[slot]] for slot in [*slots, CREATE_SLOT] if slot in state}
        try:
            check_auth(event, known)
        except AuthError:
            return False
        return True

    def _accept(self, event: Event, state: dict[Slot, str]) -> None:
        assert event.event_id not in self.events
        self.events[event.event_id] = event
        self.state_after[event.event_id] = {**state, event.slot: event.event_id}
        self.last = event.event_id
