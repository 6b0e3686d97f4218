"""Sending events, setting state, redacting."""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.messages import Messages
from synapse.handlers.state_events import StateEvents
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class SendEvent(Resource):
    """`PUT /rooms/{room_id}/send/{event_type}/{txn_id}`"""

    PATHS = client_paths("/rooms/{room_id}/send/{event_type}/{txn_id}", api_v1=True)

    def __init__(self, auth: Auth, messages: Messages) -> None:
        self._auth = auth
        self._messages = messages

    async def put(
        self, request: Request, room_id: str, event_type: str, txn_id: str
    ) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        content = request.json.raw
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
        content = request.json_or_empty.raw
        redaction = await self._messages.redact(requester, room_id, event_id, content, txn_id)
        return {"event_id": redaction}


async def set_state(
    auth: Auth, states: StateEvents, request: Request, room_id: str, type: str, state_key: str
) -> dict[str, Any]:
    """What both forms of `PUT /rooms/{room_id}/state/…` do."""
    requester = await auth.requester(request, allow_guest=True)
    event_id = await states.set(requester, room_id, type, state_key, request.json.raw)
    return {"event_id": event_id}
