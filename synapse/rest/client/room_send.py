"""Sending events, setting state, redacting."""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.delayed_events import DelayedEvents
from synapse.handlers.messages import Messages
from synapse.handlers.state_events import StateEvents
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.rest.client.delayed_events import requested_delay_ms, schedule

# What else a redaction is for (MSC3912): as it will be called, and as clients call it till then.
_REL_TYPES = ("with_rel_types", "org.matrix.msc3912.with_relations")


class SendEvent(Resource):
    """`PUT /rooms/{room_id}/send/{event_type}/{txn_id}`"""

    PATHS = client_paths("/rooms/{room_id}/send/{event_type}/{txn_id}", api_v1=True)

    def __init__(self, auth: Auth, messages: Messages, delayed: DelayedEvents) -> None:
        self._auth = auth
        self._messages = messages
        self._delayed = delayed

    async def put(
        self, request: Request, room_id: str, event_type: str, txn_id: str
    ) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        content = request.json.raw
        if (delay_ms := requested_delay_ms(request)) is not None:
            return await schedule(
                self._delayed, requester, room_id, event_type, None, content, delay_ms, txn_id
            )
        event_id = await self._messages.send(requester, room_id, event_type, content, txn_id)
        return {"event_id": event_id}


class RedactEvent(Resource):
    """`PUT /rooms/{room_id}/redact/{event_id}/{txn_id}`"""

    PATHS = client_paths("/rooms/{room_id}/redact/{event_id}/{txn_id}", api_v1=True)

    def __init__(self, auth: Auth, messages: Messages) -> None:
        self._auth = auth
        self._messages = messages

    async def put(
        self, request: Request, room_id: str, event_id: str, txn_id: str
    ) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        body = request.json_or_empty
        rel_types = [name for key in _REL_TYPES for name in body.optional_strings(key) or []]
        content = {key: value for key, value in body.raw.items() if key not in _REL_TYPES}
        redaction = await self._messages.redact(
            requester, room_id, event_id, content, txn_id, rel_types
        )
        return {"event_id": redaction}


async def set_state(
    auth: Auth,
    states: StateEvents,
    delayed: DelayedEvents,
    request: Request,
    room_id: str,
    type: str,
    state_key: str,
) -> dict[str, Any]:
    """What both forms of `PUT /rooms/{room_id}/state/…` do."""
    requester = await auth.requester(request, allow_guest=True)
    content = request.json.raw
    if (delay_ms := requested_delay_ms(request)) is not None:
        return await schedule(delayed, requester, room_id, type, state_key, content, delay_ms, None)
    event_id = await states.set(requester, room_id, type, state_key, content)
    return {"event_id": event_id}
