"""Policy servers: asked for their signature on events of the rooms that name them.

Server-server API, "Policy Servers". While such a server can't be reached, nothing can be said in
its rooms but a new `m.room.policy`. So it is given little time, and tried again soon: it need not
be one that sends us anything, by which we would hear that it is back.
"""

import logging
from collections import Counter
from dataclasses import dataclass

from synapse.api.errors import Forbidden, LimitExceeded, MatrixError
from synapse.events.event import Event
from synapse.events.policy import (
    POLICY_SLOT,
    Policy,
    is_exempt,
    is_recommended,
    policy_of,
    signed_by,
)
from synapse.federation.answers import error_for_client
from synapse.federation.errors import RemoteError
from synapse.federation.wire import Transport
from synapse.handlers.room_servers import RoomServers
from synapse.http.client.errors import RequestFailed
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.util.caches import Cache
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

PATH = "/_matrix/policy/v1/sign"
_TIMEOUT_S = 10.0
_MAX_BYTES = 65_536
_SHORTEST_REST_S = 5.0
_LONGEST_REST_S = 60.0
_LONGEST_WAIT_MS = 60_000
_SERVERS_KEPT = 1_000
# With others, a client might take an error for one about its session.
_TOLD_AS_THEY_ARE = {
    400: ("M_BAD_JSON", "M_NOT_JSON", "M_FORBIDDEN"),
    403: ("M_FORBIDDEN",),
    404: ("M_NOT_FOUND", "M_UNRECOGNIZED"),
}
OUTCOMES = ("signed", "refused", "invalid", "unreachable", "resting")


@dataclass(frozen=True, slots=True)
class _Rest:
    """A server that could not be reached is left alone for a while."""

    until_s: float
    length_s: float


class PolicyServers:
    """Asks them: an `Approvals`."""

    def __init__(
        self, transport: Transport, rooms: RoomCache, servers: RoomServers, clock: Clock
    ) -> None:
        self._transport = transport
        self._rooms = rooms
        self._servers = servers
        self._clock = clock
        self._resting: Cache[str, _Rest] = Cache(_SERVERS_KEPT)
        # For the metrics: how often what came of it.
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))

    async def must_ask(self, room: Room, event: Event) -> bool:
        """Whether an event of another server has to wait for a policy server's answer."""
        policy = await self._policy(room, event)
        if policy is None or is_recommended(event, policy):
            return False
        return await self._servers.is_in(room, policy.via)

    async def approve(self, room: Room, event: Event) -> Event:
        """See `synapse.rooms.approvals.Approvals`."""
        policy = await self._policy(room, event)
        if policy is None or is_recommended(event, policy):
            return event
        # It takes part by its own will only.
        if not await self._servers.is_in(room, policy.via):
            return event
        signed = signed_by(event, policy, await self._ask(policy.via, event))
        if signed is None:
            self.outcomes["invalid"] += 1
            logger.info("%s signs %s with another key, or not at all", policy.via, event.event_id)
            raise Forbidden(
                f"The policy server {policy.via} answers without a signature by the room's key"
            )
        self.outcomes["signed"] += 1
        return signed

    async def _policy(self, room: Room, event: Event) -> Policy | None:
        """What the room's policy says, if it concerns the event."""
        if is_exempt(event.type, event.state_key):
            return None
        return policy_of(await self._rooms.current(room, *POLICY_SLOT))

    async def _ask(self, server: str, event: Event) -> object:
        rest = self._resting.get(server)
        if rest is not None and self._clock.monotonic() < rest.until_s:
            self.outcomes["resting"] += 1
            raise MatrixError(502, "M_UNKNOWN", f"The policy server {server} can't be reached")
        try:
            answer = await self._transport.request(
                server, "POST", PATH, body=event.json, timeout_s=_TIMEOUT_S, max_bytes=_MAX_BYTES
            )
        except RequestFailed as failure:
            logger.info("%s in %s is not signed: %s", event.event_id, event.room_id, failure)
            self._unreached(server)
            raise error_for_client(server, failure) from None
        except RemoteError as error:
            logger.info("%s in %s is not signed: %s", event.event_id, event.room_id, error)
            if error.status >= 500:
                self._unreached(server)
                raise error_for_client(server, error) from None
            self._resting.pop(server)
            self.outcomes["refused"] += 1
            raise _as_told(error) from None
        self._resting.pop(server)
        return answer

    def _unreached(self, server: str) -> None:
        self.outcomes["unreachable"] += 1
        rest = self._resting.get(server)
        now_s = self._clock.monotonic()
        # Of several requests at once, the first one counts.
        if rest is None or rest.until_s <= now_s:
            length_s = _SHORTEST_REST_S if rest is None else min(rest.length_s * 2, _LONGEST_REST_S)
            self._resting[server] = _Rest(now_s + length_s, length_s)


def _as_told(error: RemoteError) -> MatrixError:
    """A policy server's refusal, in its words."""
    if error.status == 429:
        return LimitExceeded(min(error.retry_after_ms or 1000, _LONGEST_WAIT_MS))
    if error.errcode in _TOLD_AS_THEY_ARE.get(error.status, ()):
        return MatrixError(error.status, error.errcode, error.error)
    return Forbidden(error.error)
