"""Capabilities negotiation: what this server lets its users do."""

from typing import Any

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.config.registration import RegistrationConfig
from synapse.handlers.accounts import Accounts
from synapse.handlers.auth import Auth
from synapse.handlers.delayed_events import MAX_SCHEDULED
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
        *,
        forgets_rooms_on_leave: bool,
        max_event_delay_ms: int | None,
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
                "m.forget_forced_upon_leave": {"enabled": forgets_rooms_on_leave},
                **_delayed_events(max_event_delay_ms),
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


def _delayed_events(max_delay_ms: int | None) -> dict[str, Any]:
    if max_delay_ms is None:
        return {}
    limits = {"max_delay_ms": max_delay_ms, "max_scheduled": MAX_SCHEDULED}
    return {"org.matrix.msc4140.delayed_events": limits}
