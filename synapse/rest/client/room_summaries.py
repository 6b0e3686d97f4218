"""`GET /room_summary`"""

from typing import Any, ClassVar

from synapse.handlers.auth import Auth
from synapse.handlers.room_previews import RoomPreviews
from synapse.http.request import Request
from synapse.http.resource import Resource

_MAX_VIA = 10


class RoomSummary(Resource):
    """`GET /_matrix/client/v1/room_summary/{room_id_or_alias}`, also without a token"""

    PATHS: ClassVar[tuple[str, ...]] = ("/_matrix/client/v1/room_summary/{room_id_or_alias}",)

    def __init__(self, auth: Auth, previews: RoomPreviews) -> None:
        self._auth = auth
        self._previews = previews

    async def get(self, request: Request, room_id_or_alias: str) -> dict[str, Any]:
        requester = await self._auth.requester_if_any(request)
        via = request.query.strings("via")[:_MAX_VIA]
        return await self._previews.one(requester, room_id_or_alias, via)


class UnstableRoomSummary(RoomSummary):
    """The same as MSC3266 proposed it, with names of its own for two members."""

    PATHS = (
        "/_matrix/client/unstable/im.nheko.summary/summary/{room_id_or_alias}",
        "/_matrix/client/unstable/im.nheko.summary/rooms/{room_id_or_alias}/summary",
    )

    async def get(self, request: Request, room_id_or_alias: str) -> dict[str, Any]:
        summary = await super().get(request, room_id_or_alias)
        summary["im.nheko.summary.room_version"] = summary["room_version"]
        summary["im.nheko.summary.version"] = summary["room_version"]
        if "encryption" in summary:
            summary["im.nheko.summary.encryption"] = summary["encryption"]
        return summary
