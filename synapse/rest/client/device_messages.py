"""Messages to devices."""

from typing import Any, ClassVar

from synapse.handlers.auth import Auth
from synapse.handlers.device_messages import DeviceMessages
from synapse.http.request import Request
from synapse.http.resource import MEBIBYTE, Resource, client_paths


class SendToDevice(Resource):
    """`PUT /sendToDevice/{event_type}/{txn_id}`"""

    PATHS = client_paths("/sendToDevice/{event_type}/{txn_id}")
    # Clients send to a few hundred devices at once.
    MAX_BODY_BYTES: ClassVar[int] = 2 * MEBIBYTE

    def __init__(self, auth: Auth, messages: DeviceMessages) -> None:
        self._auth = auth
        self._messages = messages

    async def put(self, request: Request, event_type: str, txn_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        await self._messages.send(requester, event_type, txn_id, request.json)
        return {}
