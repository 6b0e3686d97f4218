"""Rooms from inside: sending and reading events, their state and members."""

from synapse.app.parts.reading import Reading
from synapse.app.parts.sending import Sending
from synapse.handlers.auth import Auth
from synapse.http.resource import Resource
from synapse.rest.client.delayed_events import (
    DelayedEventAction,
    DelayedEventList,
    OneDelayedEvent,
    ScheduleEvent,
)
from synapse.rest.client.relations import RelationsResource, Threads
from synapse.rest.client.reports import ReportEvent, ReportRoom, ReportUser
from synapse.rest.client.room_reading import Context, OneEvent, RoomMessages, TimestampToEvent
from synapse.rest.client.room_send import RedactEvent, SendEvent
from synapse.rest.client.room_state import (
    JoinedMembers,
    JoinedRooms,
    Members,
    State,
    StateWithKey,
    StateWithoutKey,
)


def event_resources(auth: Auth, sending: Sending, reading: Reading) -> list[Resource]:
    messages, delayed_events = sending.messages, sending.delayed_events
    state, timelines, events = reading.room_state, reading.timelines, reading.client_events
    return [
        SendEvent(auth, messages, delayed_events),
        RedactEvent(auth, messages),
        ScheduleEvent(auth, delayed_events),
        DelayedEventList(auth, delayed_events),
        OneDelayedEvent(auth, delayed_events),
        DelayedEventAction(auth, delayed_events),
        State(auth, state, events),
        StateWithKey(auth, state, sending.state_events, delayed_events, events),
        StateWithoutKey(auth, state, sending.state_events, delayed_events, events),
        Members(auth, state, events),
        JoinedMembers(auth, state),
        JoinedRooms(auth, state),
        RoomMessages(auth, timelines, events),
        OneEvent(auth, timelines, events),
        Context(auth, timelines, events),
        TimestampToEvent(auth, reading.event_by_time),
        RelationsResource(auth, reading.relations, events),
        Threads(auth, reading.relations, events),
        ReportEvent(auth, reading.reports),
        ReportRoom(auth, reading.reports),
        ReportUser(auth, reading.reports),
    ]
