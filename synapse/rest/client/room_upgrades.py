"""`POST /rooms/{room_id}/upgrade`"""

from typing import Any

from synapse.handlers.auth import Auth
from synapse.handlers.room_upgrades import RoomUpgrades
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class UpgradeRoom(Resource):
    """`POST /_matrix/client/v3/rooms/{room_id}/upgrade`"""

    PATHS = client_paths("/rooms/{room_id}/upgrade")

    def __init__(self, auth: Auth, upgrades: RoomUpgrades) -> None:
        self._auth = auth
        self._upgrades = upgrades

    async def post(self, request: Request, room_id: str) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        body = request.json
        version = body.string("new_version")
        creators = body.optional_strings("additional_creators") or []
        new_id = await self._upgrades.upgrade(requester, room_id, version, creators)
        return {"replacement_room": new_id}
