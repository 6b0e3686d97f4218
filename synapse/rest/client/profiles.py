"""Profiles."""

from typing import Any

from synapse.api.errors import MissingParam
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.profiles import Profiles
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class _Reading(Resource):
    def __init__(self, auth: Auth, profiles: Profiles, *, needs_token: bool) -> None:
        self._auth = auth
        self._profiles = profiles
        self._needs_token = needs_token

    async def _reader(self, request: Request) -> Requester | None:
        if not self._needs_token:
            return None
        return await self._auth.requester(request, allow_guest=True)


class Profile(_Reading):
    """`GET /profile/{user_id}`"""

    PATHS = client_paths("/profile/{user_id}", api_v1=True)

    async def get(self, request: Request, user_id: str) -> dict[str, Any]:
        return await self._profiles.get(await self._reader(request), user_id)


class ProfileField(_Reading):
    """`/profile/{user_id}/{key_name}`"""

    PATHS = (
        *client_paths("/profile/{user_id}/{key_name}", api_v1=True),
        # COMPAT: clients of the time before v1.16 set their own fields here (MSC4133).
        "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{user_id}/{key_name}",
    )

    async def get(self, request: Request, user_id: str, key_name: str) -> dict[str, Any]:
        reader = await self._reader(request)
        return {key_name: await self._profiles.field(reader, user_id, key_name)}

    async def put(self, request: Request, user_id: str, key_name: str) -> dict[str, Any]:
        requester = await self._owner(request, key_name)
        if key_name not in request.json:
            raise MissingParam(key_name)
        await self._profiles.set(requester, user_id, key_name, request.json.raw[key_name])
        return {}

    async def delete(self, request: Request, user_id: str, key_name: str) -> dict[str, Any]:
        requester = await self._owner(request, key_name)
        await self._profiles.remove(requester, user_id, key_name)
        return {}

    async def _owner(self, request: Request, key_name: str) -> Requester:
        # "Guest users may only modify their display name" (client-server API, "Guest Access").
        return await self._auth.requester(request, allow_guest=key_name == "displayname")
