"""What a join over federation comes to, without the requests."""

from synapse.api.identifiers import domain_of
from synapse.app.wiring import Server
from synapse.crypto.signing import SigningKey
from synapse.events.auth_selection import auth_slots
from synapse.events.builder import build
from synapse.events.event import Event
from synapse.rooms.arrivals import Arrival
from synapse.rooms.asides import Aside
from synapse.rooms.receiver import Verdict
from tests.rooms.elsewhere import copy_of


async def join(via: Server, server: Server, key: SigningKey, room_id: str, user_id: str) -> None:
    """A user of `server`, the first there, joins a room by `via`, which passes the event on."""
    room = await via.rooms.cache.get(room_id)
    state = await via.stores.states.events_at(room.view_nid)
    event = await accept_join(via, key, room_id, user_id)
    kept = await _keep(server, room_id, list(state.values()))
    known = [kept[auth_id] for auth_id in event.auth_event_ids()]
    await server.rooms.entrances.enter(
        Arrival(copy_of(event), known, frozenset({domain_of(user_id)})),
        [kept[state_event.event_id] for state_event in state.values()],
    )


async def accept_join(via: Server, key: SigningKey, room_id: str, user_id: str) -> Event:
    """A user of another server joins a room by `via`."""
    room = await via.rooms.cache.get(room_id)
    state = await via.stores.states.events_at(room.view_nid)
    content = {"membership": "join"}
    slots = auth_slots("m.room.member", user_id, user_id, content, room.version)
    auth_events = [state[slot] for slot in slots if slot in state]
    name = domain_of(user_id)
    event = build(
        room.version,
        room_id=room_id,
        type="m.room.member",
        sender=user_id,
        state_key=user_id,
        content=content,
        prev_events=room.tips,
        auth_events=auth_events,
        depth=room.depth + 1,
        origin_server_ts=via.clock.now_ms(),
        server_name=name,
        key=key,
        event_id_localpart=f"join{room.depth}" if room.version.events_have_ids else None,
    )
    arrival = Arrival(copy_of(event), auth_events, frozenset({name}), is_passed_on=True)
    (verdict,) = await via.rooms.receiver.receive(room_id, [arrival])
    assert verdict is Verdict.ACCEPTED, verdict
    return event


async def _keep(server: Server, room_id: str, state: list[Event]) -> dict[str, Event]:
    """Make a state known, as outliers."""
    room_nid = await server.rooms.entrances.open(room_id, state[0].version)
    copies = {e.event_id: copy_of(e) for e in sorted(state, key=lambda event: event.depth)}
    asides = [
        Aside(event, [copies[auth] for auth in event.auth_event_ids() if auth in copies])
        for event in copies.values()
    ]
    await server.rooms.asides.keep(room_nid, asides)
    return copies
