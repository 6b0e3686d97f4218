"""Whose devices have changed while a client was away (`/keys/changes`)."""

from synapse.handlers.auth import Requester
from synapse.handlers.device_lists import DeviceListNews, DeviceLists
from synapse.storage.database import Database
from synapse.streams.followers import Followers
from synapse.streams.tokens import SyncToken


class KeyChanges:
    """Answers what a sync from the same token would tell."""

    def __init__(self, database: Database, followers: Followers, lists: DeviceLists) -> None:
        self._database = database
        self._followers = followers
        self._lists = lists

    async def since(self, requester: Requester, token: SyncToken) -> DeviceListNews:
        """All until now: what a client is told twice does no harm."""
        follower = await self._followers.follow(requester.user_id, requester.user_nid)
        return await self._lists.news(follower, token.position, self._database.position)
