"""Logging in with a password."""

from typing import Any

from synapse.api.errors import MatrixError
from synapse.config.passwords import PasswordConfig
from synapse.handlers.credentials import Credentials
from synapse.handlers.ratelimits import RateLimiter
from synapse.handlers.sessions import Sessions
from synapse.http.json_body import JsonObject


class Login:
    """What `/login` does."""

    def __init__(
        self,
        credentials: Credentials,
        sessions: Sessions,
        config: PasswordConfig,
        *,
        per_address: RateLimiter,
        per_account: RateLimiter,
    ) -> None:
        self._credentials = credentials
        self._sessions = sessions
        self._enabled = config.enabled and config.localdb_enabled
        self._per_address = per_address
        self._per_account = per_account

    def flows(self) -> list[dict[str, Any]]:
        return [{"type": "m.login.password"}] if self._enabled else []

    async def login(self, body: JsonObject, address: str) -> dict[str, Any]:
        """The response. Raises `Forbidden` for a wrong name or password."""
        kind = body.string("type")
        if kind not in [flow["type"] for flow in self.flows()]:
            raise MatrixError(400, "M_UNKNOWN", f"Unknown login type: {kind[:100]}")
        device_id = body.optional_string("device_id")
        display_name = body.optional_string("initial_device_display_name")
        refreshable = body.optional_boolean("refresh_token")
        self._per_address.check(address)
        user = await self._credentials.verify(body)
        self._per_account.check(user.user_id)
        session = await self._sessions.start(
            user.user_id,
            user.user_nid,
            device_id=device_id,
            display_name=display_name,
            refreshable=refreshable,
        )
        server_name = user.user_id.partition(":")[2]
        return {"user_id": user.user_id, "home_server": server_name, **session}
