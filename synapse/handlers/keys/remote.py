"""`RemoteKeys`: what handlers know of other servers when it comes to keys."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from synapse.handlers.keys.answers import KeyAnswer, Wanted
from synapse.storage.stores.device_keys import Claim


class RemoteKeys(Protocol):
    """See `synapse.federation.remote_keys`. `failures` are of servers, as clients are told."""

    async def query(
        self, asked: Mapping[str, Wanted], timeout_s: float
    ) -> tuple[KeyAnswer, dict[str, Any]]:
        """The keys of users, by server, and the failures."""

    async def claim(
        self, asked: Mapping[str, Sequence[Claim]], timeout_s: float
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """One-time keys by user and device, and the failures."""
