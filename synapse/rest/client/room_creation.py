"""`POST /createRoom`"""

from typing import Any

from synapse.api.errors import InvalidParam
from synapse.handlers.auth import Auth
from synapse.handlers.room_creation import RoomCreation, RoomWish
from synapse.handlers.room_presets import PRESETS
from synapse.handlers.third_party_invites import ThirdPartyWish
from synapse.http.json_body import JsonObject
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths


class CreateRoom(Resource):
    """`POST /_matrix/client/v3/createRoom`"""

    PATHS = client_paths("/createRoom", api_v1=True)

    def __init__(self, auth: Auth, creation: RoomCreation) -> None:
        self._auth = auth
        self._creation = creation

    async def post(self, request: Request) -> dict[str, Any]:
        requester = await self._auth.requester(request)
        return {"room_id": await self._creation.create(requester, _wish(request.json))}


def _wish(body: JsonObject) -> RoomWish:
    visibility = body.optional_string("visibility", "private")
    if visibility not in ("public", "private"):
        raise InvalidParam("visibility is 'public' or 'private'")
    preset = body.optional_string("preset")
    if preset is None:
        preset = "public_chat" if visibility == "public" else "private_chat"
    if preset not in PRESETS:
        raise InvalidParam(f"preset is one of {', '.join(PRESETS)}")
    return RoomWish(
        preset=preset,
        version=body.optional_string("room_version"),
        published=visibility == "public",
        alias_localpart=body.optional_string("room_alias_name"),
        name=body.optional_string("name"),
        topic=body.optional_string("topic"),
        invite=body.optional_strings("invite") or [],
        invite_3pid=[
            ThirdPartyWish.of(invite)
            for invite in (body.objects("invite_3pid") if body.raw.get("invite_3pid") else [])
        ],
        creation_content=_raw(body.optional_object("creation_content")),
        initial_state=[
            (
                event.string("type"),
                event.optional_string("state_key", ""),
                event.object("content").raw,
            )
            for event in (body.objects("initial_state") if body.raw.get("initial_state") else [])
        ],
        is_direct=body.optional_boolean("is_direct"),
        power_level_override=_raw(body.optional_object("power_level_content_override")),
    )


def _raw(value: JsonObject | None) -> dict[str, Any]:
    return {} if value is None else value.raw
