"""How many one-time keys a device has left: every sync says so, so it is kept in memory."""

from collections.abc import Mapping
from typing import Any

import orjson

from synapse.storage.stores.device_keys import Counts, DeviceKeyStore
from synapse.streams.followers import Followers
from synapse.util.caches import Cache

_DEVICES_KEPT = 50_000
# Told even if there are none: some clients upload new ones only when they see that number.
_ALWAYS_TOLD = {"signed_curve25519": 0}
_NONE = Counts({}, [])


class KeyCounts:
    """Counts, and which devices had keys taken."""

    def __init__(self, followers: Followers) -> None:
        self._followers = followers
        self._known: Cache[int, Counts] = Cache(_DEVICES_KEPT, "key_counts")
        self._taken: Cache[int, int] = Cache(_DEVICES_KEPT)
        # Counts the changes: what was read before one must not be kept after it.
        self._epoch = 0

    def changed(self, user_nid: int, device_nid: int, position: int) -> None:
        """A device has more keys (position 0), or since a position fewer: its clients are told."""
        self._epoch += 1
        self._known.pop(device_nid)
        if position:
            self._taken[device_nid] = position
            self._followers.poke(user_nid)

    def has_news(self, device_nid: int, since: int) -> bool:
        """Whether keys were taken after a position."""
        return (self._taken.get(device_nid) or 0) > since

    async def of(self, store: DeviceKeyStore, device_nid: int) -> Counts:
        """A device's counts. Of a token without a device, which is a negative number, none."""
        if device_nid < 0:
            return _NONE
        known = self._known.get(device_nid)
        if known is None:
            epoch = self._epoch
            known = await store.counts(device_nid)
            if epoch == self._epoch:
                self._known[device_nid] = known
        return known

    def peek(self, device_nid: int) -> Counts | None:
        return self._known.get(device_nid)


def counted(one_time: Mapping[str, int]) -> dict[str, int]:
    """The numbers of keys, as clients are told them."""
    return {**_ALWAYS_TOLD, **one_time}


def as_json(counts: Counts) -> dict[str, Any]:
    """As every kind of sync tells them."""
    return {
        "device_one_time_keys_count": counted(counts.one_time),
        "device_unused_fallback_key_types": counts.unused_fallback,
    }


def as_members(counts: Counts) -> bytes:
    """The members of a JSON object, without its braces."""
    return orjson.dumps(as_json(counts))[1:-1]
