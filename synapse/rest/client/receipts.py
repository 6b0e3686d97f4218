"""Receipts and read markers."""

from typing import Any

from synapse.api.errors import InvalidParam
from synapse.handlers.auth import Auth
from synapse.handlers.receipts import FULLY_READ, RECEIPT_TYPES, Receipts
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class ReceiptResource(Resource):
    """`POST /rooms/{room_id}/receipt/{receipt_type}/{event_id}`"""

    PATHS = client_paths("/rooms/{room_id}/receipt/{receipt_type}/{event_id}")

    def __init__(self, auth: Auth, receipts: Receipts) -> None:
        self._auth = auth
        self._receipts = receipts

    async def post(
        self, request: Request, room_id: str, receipt_type: str, event_id: str
    ) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        thread_id = request.json_or_empty.raw.get("thread_id")
        if not isinstance(thread_id, str | None):
            raise InvalidParam("'thread_id' must be a string")
        await self._receipts.mark(requester, room_id, receipt_type, event_id, thread_id)
        return {}


class ReadMarkersResource(Resource):
    """`POST /rooms/{room_id}/read_markers`"""

    PATHS = client_paths("/rooms/{room_id}/read_markers")

    def __init__(self, auth: Auth, receipts: Receipts) -> None:
        self._auth = auth
        self._receipts = receipts

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request, allow_guest=True)
        marks = [
            (kind, event_id)
            for kind in (FULLY_READ, *RECEIPT_TYPES)
            if (event_id := request.json.optional_string(kind)) is not None
        ]
        for kind, event_id in marks:
            await self._receipts.mark(requester, room_id, kind, event_id)
        return {}
