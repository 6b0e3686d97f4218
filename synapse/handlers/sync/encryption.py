"""What every sync says for encryption: whose devices changed, and what the device has left.

End-to-end encryption, "Extensions to /sync".
"""

from typing import NamedTuple

import orjson

from synapse.handlers.auth import Requester
from synapse.handlers.device_lists import DeviceListNews, DeviceLists
from synapse.handlers.key_counts import KeyCounts, as_members
from synapse.storage.stores.device_keys import Counts, DeviceKeyStore
from synapse.streams.followers import Follower

_NO_LISTS = DeviceListNews([], [])
_NO_LISTS_JSON = b'{"changed":[],"left":[]}'


class EncryptionNews(NamedTuple):
    """For one device."""

    lists: DeviceListNews
    counts: Counts
    has_news: bool  # False: its client knows all of it

    def as_members(self) -> bytes:
        """The members of a JSON object, without its braces."""
        lists = _NO_LISTS_JSON
        if self.lists.changed or self.lists.left:
            lists = orjson.dumps({"changed": self.lists.changed, "left": self.lists.left})
        return b'"device_lists":%b,%b' % (lists, as_members(self.counts))


class EncryptionInSync:
    """Makes it."""

    def __init__(self, lists: DeviceLists, store: DeviceKeyStore, counts: KeyCounts) -> None:
        self._lists = lists
        self._store = store
        self._counts = counts

    def has_news(self, requester: Requester, since: int) -> bool:
        """Whether there is news that no follower knows of."""
        return self._counts.has_news(requester.device_nid, since)

    async def news(
        self, follower: Follower, requester: Requester, since: int | None, upto: int
    ) -> EncryptionNews:
        """What is new after a position; a client that knows nothing yet is told no lists."""
        lists = _NO_LISTS if since is None else await self._lists.news(follower, since, upto)
        counts = await self._counts.of(self._store, requester.device_nid)
        is_taken = since is not None and self.has_news(requester, since)
        return EncryptionNews(lists, counts, bool(lists.changed or lists.left) or is_taken)

    def nothing_new(self, requester: Requester) -> bytes:
        """The members for one who is to go on as if there were no news."""
        counts = self._counts.peek(requester.device_nid)
        if counts is None:
            return b'"device_lists":' + _NO_LISTS_JSON
        return EncryptionNews(_NO_LISTS, counts, False).as_members()
