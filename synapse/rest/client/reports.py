"""Reporting events, rooms and users to the server's administrators."""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.reports import Reports
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class _Report(Resource):
    def __init__(self, auth: Auth, reports: Reports) -> None:
        self._auth = auth
        self._reports = reports


class ReportEvent(_Report):
    """`POST /rooms/{room_id}/report/{event_id}`"""

    PATHS = client_paths("/rooms/{room_id}/report/{event_id}")

    async def post(self, request: Request, room_id: str, event_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        body = request.json
        reason, score = body.optional_string("reason"), body.optional_integer("score")
        await self._reports.event(requester, room_id, event_id, reason, score)
        return {}


class ReportRoom(_Report):
    """`POST /rooms/{room_id}/report`"""

    PATHS = (
        *client_paths("/rooms/{room_id}/report"),
        "/_matrix/client/unstable/org.matrix.msc4151/rooms/{room_id}/report",
    )

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        await self._reports.room(requester, room_id, request.json.string("reason"))
        return {}


class ReportUser(_Report):
    """`POST /users/{user_id}/report`"""

    PATHS = (
        *client_paths("/users/{user_id}/report"),
        "/_matrix/client/unstable/org.matrix.msc4260/users/{user_id}/report",
    )

    async def post(self, request: Request, user_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        await self._reports.user(requester, user_id, request.json.string("reason"))
        return {}
