"""Filters that clients upload, to name them by number later."""

from typing import Any

import orjson

from synapse.api.errors import NotFound
from synapse.api.filter_shape import require_filter
from synapse.handlers.auth import Requester
from synapse.storage.stores.filters import FilterStore
from synapse.util.caches import Cache

_LARGEST_ID = 2**63 - 1


class Filters:
    """Keeps filters. One that was stored never changes, so they are cached for good."""

    def __init__(self, store: FilterStore) -> None:
        self._store = store
        self._cache: Cache[tuple[int, int], dict[str, Any]] = Cache(10_000, "filters")

    async def add(self, requester: Requester, raw: Any) -> str:
        """The id of the filter; the same filter has the same id. Raises `BadJson`."""
        require_filter(raw)
        canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
        return str(await self._store.add(requester.user_nid, canonical))

    async def filter(self, requester: Requester, filter_id: str) -> dict[str, Any]:
        """The filter as it was uploaded; don't change it. Raises `NotFound`."""
        if not (filter_id.isascii() and filter_id.isdigit() and len(filter_id) < 20):
            raise NotFound("There is no such filter")
        key = (requester.user_nid, min(int(filter_id), _LARGEST_ID))
        found = self._cache.get(key)
        if found is None:
            stored = await self._store.filter(*key)
            if stored is None:
                raise NotFound("There is no such filter")
            found = self._cache[key] = orjson.loads(stored)
        return found
