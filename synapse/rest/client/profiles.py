"""Profiles."""

from typing import Any

from synapse.api.errors import MissingParam
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.profiles import FIELDS, Profiles
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class Profile(Resource):
    """`GET /profile/{user_id}`"""

    PATHS = client_paths("/profile/{user_id}", api_v1=True)

    def __init__(self, auth: Auth, profiles: Profiles, *, needs_token: bool) -> None:
        self._auth = auth
        self._profiles = profiles
        self._needs_token = needs_token

    async def get(self, request: Request, user_id: str) -> dict[str, Any]:
        if self._needs_token:
            await self._auth.requester(request, allow_guest=True)
        profile = await self._profiles.get(user_id)
        return {name: profile[name] for name in FIELDS if name in profile}


class ProfileField(Resource):
    """`/profile/{user_id}/{key_name}`"""

    PATHS = client_paths("/profile/{user_id}/{key_name}", api_v1=True)

    def __init__(self, auth: Auth, profiles: Profiles, *, needs_token: bool) -> None:
        self._auth = auth
        self._profiles = profiles
        self._needs_token = needs_token

    async def get(self, request: Request, user_id: str, key_name: str) -> dict[str, Any]:
        if self._needs_token:
            await self._auth.requester(request, allow_guest=True)
        return {key_name: await self._profiles.field(user_id, key_name)}

    async def put(self, request: Request, user_id: str, key_name: str) -> dict[str, Any]:
        requester = await self._owner(request, key_name)
        if key_name not in request.json:
            raise MissingParam(key_name)
        value = request.json.raw[key_name]
        await self._profiles.set(requester, user_id, key_name, value)
        return {}

    async def delete(self, request: Request, user_id: str, key_name: str) -> dict[str, Any]:
        requester = await self._owner(request, key_name)
        await self._profiles.set(requester, user_id, key_name, None)
        return {}

    async def _owner(self, request: Request, key_name: str) -> Requester:
        # "Guest users may only modify their display name" (client-server API, "Guest Access").
        return await self._auth.requester(request, allow_guest=key_name == "displayname")
