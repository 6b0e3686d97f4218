"""Searching for users: who is found, and in which order."""

from collections.abc import Callable
from typing import Any

from synapse.api.identifiers import localpart_of
from synapse.config.search import UserDirectoryConfig
from synapse.handlers.auth import Requester
from synapse.handlers.ratelimits import RateLimiter
from synapse.storage.stores.directory import DirectoryEntry, DirectoryQuery, DirectoryStore
from synapse.util.words import searched_words, words

MAX_RESULTS = 50


class UserDirectory:
    """Answers `/user_directory/search`."""

    def __init__(
        self, store: DirectoryStore, config: UserDirectoryConfig, *, limit: RateLimiter
    ) -> None:
        self._store = store
        self._config = config
        self._limit = limit

    async def search(self, requester: Requester, term: str, limit: int) -> dict[str, Any]:
        """Up to `limit` users, the closest first."""
        self._limit.check(requester.user_id)
        config = self._config
        if not config.enabled:
            return {"results": [], "limited": False}
        found = await self._store.find(
            DirectoryQuery(
                requester.user_nid,
                _searched(term),
                everybody=config.search_all_users,
                only_local=config.exclude_remote_users,
                with_locked=config.show_locked_users,
            )
        )
        found.sort(key=_order(term, local_first=config.prefer_local_users))
        return {
            "results": [_shown(entry) for entry in found[:limit]],
            "limited": len(found) > limit,
        }


def _searched(term: str) -> list[str]:
    """What the words of a user begin with; an id is also searched by the name of its server."""
    if not term.startswith("@"):
        return searched_words(term)
    localpart, _, server = term[1:].partition(":")
    starts = searched_words(localpart)
    return [*starts, f":{server.lower()}"] if server else starts


def _order(term: str, *, local_first: bool) -> Callable[[DirectoryEntry], tuple[Any, ...]]:
    """The closest first: all of a name, then whole words of it, then what begins so.

    "… and then whether or not profile info is available."
    """
    wanted = words(term.partition(":")[0] if term.startswith("@") else term)

    def order(entry: DirectoryEntry) -> tuple[Any, ...]:
        names = [words(localpart_of(entry.user_id)), words(entry.displayname or "")]
        return (
            local_first and not entry.is_local,
            wanted not in names,
            not set(wanted) <= {word for name in names for word in name},
            entry.displayname is None,
            entry.avatar_url is None,
            entry.user_id,
        )

    return order


def _shown(entry: DirectoryEntry) -> dict[str, Any]:
    shown = {
        "user_id": entry.user_id,
        "display_name": entry.displayname,
        "avatar_url": entry.avatar_url,
    }
    return {key: value for key, value in shown.items() if value is not None}
