"""Another server in rooms of ours, which says things anywhere in a room's graph."""

from typing import Any

from synapse.app.wiring import Server
from synapse.events.event import Event
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside
from synapse.rooms.receiver import Verdict
from tests.rooms.elsewhere import KEY, Elsewhere

MOD = "@mod:elsewhere"
ROB = "@rob:elsewhere"


class RemoteRoom:
    """A room that `elsewhere` is in. What it says waits to be delivered here."""

    def __init__(self, room_id: str, model: Elsewhere) -> None:
        self.room_id = room_id
        self.model = model
        self.waiting: list[Event] = []
        self._pos = 0

    @classmethod
    async def of(cls, server: Server, room_id: str) -> "RemoteRoom":
        room = await server.rooms.cache.get(room_id)
        remote = cls(room_id, Elsewhere(room.version, room_id, KEY))
        await remote.listen(server)
        return remote

    async def listen(self, server: Server) -> None:
        """Hear what was said here."""
        room = await server.rooms.cache.get(self.room_id)
        for event in await server.stores.events.after(room.nid, self._pos, 10_000):
            assert event.pos is not None
            self._pos = event.pos
            if event.event_id not in self.model.events:
                before = event.prev_event_ids()
                self.model.add(event, self.model.resolved(before) if before else {})
                self.model.last = event.event_id

    def say(self, type: str, sender: str, content: Any, key: str | None, after: list[str]) -> bool:
        """Whether the rules allow it there."""
        event = self.model.send(type, sender, content, key, after=after)
        if event is not None:
            self.waiting.append(event)
        return event is not None

    def ready(self) -> list[Event]:
        """What waits, and stands on nothing that does."""
        ids = {event.event_id for event in self.waiting}
        return [
            event
            for event in self.waiting
            if ids.isdisjoint((*event.prev_event_ids(), *event.auth_event_ids()))
        ]

    def known_by_auth(self) -> list[Event]:
        """State events that wait, and whose auth events don't."""
        ids = {event.event_id for event in self.waiting}
        return [
            event
            for event in self.waiting
            if event.is_state and ids.isdisjoint(event.auth_event_ids())
        ]

    async def deliver(self, server: Server, event: Event) -> Verdict:
        if event in self.waiting:
            self.waiting.remove(event)
        arrival = await self.arrival_of(server, self.model, event)
        (verdict,) = await server.rooms.receiver.receive(self.room_id, [arrival])
        return verdict

    async def keep(self, server: Server, event: Event) -> None:
        """Tell of an event as an outlier; it still waits to be delivered."""
        arrival = await self.arrival_of(server, self.model, event)
        room = await server.rooms.cache.get(self.room_id)
        await server.rooms.asides.keep(room.nid, [Aside(arrival.event, arrival.auth_events)])

    @staticmethod
    async def arrival_of(server: Server, model: Elsewhere, event: Event) -> Arrival:
        """With auth events from the database."""
        arrival = model.arrival(event)
        known = await server.stores.events.get_many(event.auth_event_ids())
        auth_events = [known[event_id] for event_id in event.auth_event_ids()]
        return Arrival(arrival.event, auth_events, arrival.signed_by)
