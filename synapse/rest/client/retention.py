"""`GET /retention/configuration`: how long messages are kept here (MSC1763)."""

from typing import Any

from synapse.config.retention import RetentionConfig
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource


class RetentionConfiguration(Resource):
    """`GET /_matrix/client/unstable/org.matrix.msc1763/retention/configuration`"""

    PATHS = ("/_matrix/client/unstable/org.matrix.msc1763/retention/configuration",)

    def __init__(self, auth: Auth, config: RetentionConfig) -> None:
        self._auth = auth
        default = _given(
            min_lifetime=config.default_policy.min_lifetime_ms,
            max_lifetime=config.default_policy.max_lifetime_ms,
        )
        limits = _given(min=config.allowed_lifetime_min_ms, max=config.allowed_lifetime_max_ms)
        self._answer: dict[str, Any] = {
            "policies": {"*": default} if config.enabled and default else {},
            "limits": {"max_lifetime": limits} if config.enabled and limits else {},
        }

    async def get(self, request: Request) -> dict[str, Any]:
        await self._auth.requester(request, allow_guest=True)
        return self._answer


def _given(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}
