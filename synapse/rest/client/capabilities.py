"""Capabilities negotiation: what this server lets its users do."""

from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.config.registration import RegistrationConfig
from synapse.handlers.accounts import Accounts
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource, client_paths
from synapse.http.response import Json


class Capabilities(Resource):
    """`GET /capabilities`"""

    PATHS = client_paths("/capabilities")

    def __init__(
        self,
        auth: Auth,
        accounts: Accounts,
        config: RegistrationConfig,
        default_room_version: str,
    ) -> None:
        self._auth = auth
        self._answer: Json = {
            "capabilities": {
                "m.room_versions": {
                    "default": default_room_version,
                    "available": dict.fromkeys(ROOM_VERSIONS, "stable"),
                },
                "m.change_password": {"enabled": accounts.can_change_password},
                "m.set_displayname": {"enabled": config.enable_set_displayname},
                "m.set_avatar_url": {"enabled": config.enable_set_avatar_url},
                "m.profile_fields": _profile_fields(config),
                "m.3pid_changes": {"enabled": False},
                "m.get_login_token": {"enabled": False},
            }
        }

    async def get(self, request: Request) -> Json:
        await self._auth.requester(request, allow_guest=True)
        return self._answer


def _profile_fields(config: RegistrationConfig) -> dict[str, Any]:
    disallowed = []
    if not config.enable_set_displayname:
        disallowed.append("displayname")
    if not config.enable_set_avatar_url:
        disallowed.append("avatar_url")
    return {"enabled": True, "disallowed": disallowed} if disallowed else {"enabled": True}
