"""Users whom a user ignores: their messages and invites are not shown, their state events are.

(Client-server API, "Ignoring Users".) The list is a piece of the user's account data.
"""

import orjson

from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.names import Names
from synapse.util.caches import Cache

IGNORED_USER_LIST = "m.ignored_user_list"


class IgnoredUsers:
    """Knows the lists of those who synced lately."""

    def __init__(self, store: AccountDataStore, names: Names) -> None:
        self._store = store
        self._names = names
        self._lists: Cache[int, frozenset[str]] = Cache(10_000, "ignored_users")
        self._changes = 0

    async def of(self, requester: Requester) -> frozenset[str]:
        """Whom the requester ignores; nobody can ignore themselves."""
        ignored = self._lists.get(requester.user_nid)
        if ignored is None:
            before = self._changes
            content = await self._store.content(requester.user_nid, None, IGNORED_USER_LIST)
            ignored = _users(content) - {requester.user_id}
            if self._changes == before:  # else what was read may be outdated
                self._lists[requester.user_nid] = ignored
        return ignored

    async def numbers_of(self, requester: Requester) -> list[int]:
        """The user_nids of those whom the requester ignores, without those unknown here."""
        ignored = await self.of(requester)
        if not ignored:
            return []
        return list((await self._names.nids([u for u in ignored if "\0" not in u])).values())

    def changed(self, user_nid: int) -> None:
        """The user's account data is another one now."""
        self._changes += 1
        self._lists.pop(user_nid)


def hides(ignored: frozenset[str], event: Event) -> bool:
    """Whether an event of the timeline isn't shown to one who ignores these users."""
    return event.state_key is None and event.sender in ignored


def _users(content: bytes | None) -> frozenset[str]:
    """Clients may put anything there; what isn't a list of users ignores nobody."""
    if content is None:
        return frozenset()
    parsed = orjson.loads(content)
    users = parsed.get("ignored_users") if isinstance(parsed, dict) else None
    return frozenset(users) if isinstance(users, dict) else frozenset()
