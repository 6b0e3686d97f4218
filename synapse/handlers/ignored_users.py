"""Whom a user ignores: `m.ignored_user_list` in their account data."""

import orjson

from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.names import Names

IGNORED_USER_LIST = "m.ignored_user_list"


class IgnoredUsers:
    """Reads the lists of ignored users."""

    def __init__(self, account_data: AccountDataStore, names: Names) -> None:
        self._account_data = account_data
        self._names = names

    async def of(self, user_nid: int) -> dict[str, int]:
        """The users that a user ignores, with their numbers; without those unknown here."""
        content = await self._account_data.content(user_nid, None, IGNORED_USER_LIST)
        if content is None:
            return {}
        parsed = orjson.loads(content)
        ignored = parsed.get("ignored_users") if isinstance(parsed, dict) else None
        if not isinstance(ignored, dict) or not ignored:
            return {}
        return await self._names.nids([name for name in ignored if "\0" not in name])
