"""Profiles of users of other servers: `synapse.handlers.profiles.RemoteProfiles`."""

from typing import Any

from synapse.api.identifiers import domain_of
from synapse.federation.answers import Remembered, ask
from synapse.federation.wire import Transport
from synapse.util.clock import Clock

_LIFETIME_S = 60.0
# The limit of profiles, and what JSON may add.
_MAX_BYTES = 128 * 1024
_TEXTS = ("displayname", "avatar_url", "m.tz")


class RemoteProfiles:
    """Asks for them, and remembers them for a minute."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._known: Remembered[str, dict[str, Any]] = Remembered(
            clock, size=1_000, lifetime_s=_LIFETIME_S
        )

    async def profile(self, user_id: str) -> dict[str, Any]:
        """All fields of a user's profile. Raises `MatrixError`."""
        return dict(await self._known.get(user_id, lambda: self._ask(user_id)))

    async def _ask(self, user_id: str) -> dict[str, Any]:
        answer = await ask(
            self._transport,
            domain_of(user_id),
            "GET",
            "/_matrix/federation/v1/query/profile",
            query={"user_id": user_id},
            max_bytes=_MAX_BYTES,
        )
        return {name: value for name, value in answer.items() if _is_field(name, value)}


def _is_field(name: str, value: Any) -> bool:
    return isinstance(value, str) if name in _TEXTS else value is not None
