"""Who sends a request of the server-server API."""

import logging
from collections.abc import Callable

from synapse.api.errors import Forbidden
from synapse.crypto.key_validity import Need, counts, request_signed
from synapse.crypto.signing import VerifyKey
from synapse.federation.authentication import NotAuthenticated, authenticate
from synapse.federation.keyring import KeyRing
from synapse.federation.partners import Partners
from synapse.http.request import Request
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)


class Peers:
    """Tells other servers by the signatures of their requests."""

    def __init__(
        self,
        ring: KeyRing,
        partners: Partners,
        clock: Clock,
        *,
        server_name: str,
        heard_from: Callable[[str], object],
    ) -> None:
        """`heard_from` is told who sent a request."""
        self._ring = ring
        self._partners = partners
        self._clock = clock
        self._server_name = server_name
        self._heard_from = heard_from

    async def origin(self, request: Request) -> str:
        """The server that sent a request. Raises 401 `NotAuthenticated`, `BadJson`, `Forbidden`."""
        try:
            origin = await authenticate(
                request.header("authorization"),
                self._find_key,
                method=request.method,
                uri=request.target,
                content=request.json_value if request.body else None,
                server_name=self._server_name,
            )
        except NotAuthenticated as error:
            logger.info("A server at %s is refused: %.300r", request.client_ip, error.message)
            raise
        refusal = self._partners.refusal(origin)
        if refusal is not None:
            raise Forbidden(refusal)
        request.requester_label = origin
        self._heard_from(origin)
        return origin

    async def _find_key(self, server: str, key_id: str) -> VerifyKey | None:
        # Not before the name is judged: whom we don't talk with costs no look-up.
        if self._partners.refusal(server) is not None:
            return None
        moment = request_signed(self._clock.now_ms())
        known = await self._ring.keys({server: [Need(frozenset([key_id]), moment)]})
        key = known.get(server, {}).get(key_id)
        return key.key if key is not None and counts(key, moment) else None
