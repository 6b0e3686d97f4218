"""`GET /_synapse/client/v1/config/federation_whitelist`: which servers this one talks with."""

from typing import Any

from synapse.api.errors import NotFound
from synapse.config.federation import FederationConfig
from synapse.handlers.auth import Auth
from synapse.http.request import Request
from synapse.http.resource import Resource


class FederationWhitelist(Resource):
    """`GET /_synapse/client/v1/config/federation_whitelist`"""

    PATHS = ("/_synapse/client/v1/config/federation_whitelist",)

    def __init__(self, auth: Auth, config: FederationConfig) -> None:
        self._auth = auth
        self._is_told = config.federation_whitelist_endpoint_enabled
        whitelist = config.federation_domain_whitelist
        self._answer: dict[str, Any] = {
            "whitelist_enabled": whitelist is not None,
            "whitelist": sorted(whitelist or ()),
        }

    async def get(self, request: Request) -> dict[str, Any]:
        if not self._is_told:
            raise NotFound("federation_whitelist_endpoint_enabled is false here")
        await self._auth.requester(request)
        return self._answer
