"""The `presence` of a sync: what is new of those with whom the user shares a room."""

from collections.abc import Iterable

import orjson

from synapse.config.presence import PresenceConfig
from synapse.handlers.presence import presence_content, restored
from synapse.handlers.sync.request import SyncRequest
from synapse.storage.stores.presence import PresenceStore
from synapse.streams.followers import Follower, Followers
from synapse.streams.presence import UserPresence
from synapse.streams.presence_changes import PresenceChanges
from synapse.streams.serials import Serials
from synapse.util.clock import Clock

_TYPE = "m.presence"
# Of users who are offline.
_MAX_OFFLINE = 10_000


class PresenceInSync:
    """Makes `m.presence` events."""

    def __init__(
        self,
        changes: PresenceChanges,
        store: PresenceStore,
        followers: Followers,
        serials: Serials,
        clock: Clock,
        config: PresenceConfig,
    ) -> None:
        self._changes = changes
        self._store = store
        self._followers = followers
        self._serials = serials
        self._clock = clock
        self._config = config

    def has_news(self, follower: Follower, request: SyncRequest) -> bool:
        """Whether it is the user's turn to be told of what is new since the request's token."""
        if request.since is None or not self._is_wanted(request):
            return False
        return not follower.presence or follower.presence > request.since.typing

    async def news(
        self, follower: Follower, request: SyncRequest, new_rooms: Iterable[int] = ()
    ) -> list[bytes]:
        """The events since the request's token, all at first; `new_rooms` were joined since."""
        if not self._is_wanted(request):
            return []
        if not follower.presence:
            # It hasn't had a turn yet: what came until now is for all of the user's clients.
            follower.presence = self._serials.last
        users = None
        is_whole = request.since is None or request.full_state
        if request.since is not None and not is_whole:
            users = self._changes.since(request.since.typing)
        if users is None:
            users = self._changes.awake()
        else:
            users = [*users, *self._in_rooms(new_rooms, {user.user_nid for user in users})]
        wanted = request.filter.presence
        users = [user for user in users if wanted.matches_sender(user.user_id)]
        users = await self._visible(follower, users)
        if is_whole and self._config.include_offline_users_on_sync:
            offline = await self._offline(follower, {user.user_nid for user in users})
            users += [user for user in offline if wanted.matches_sender(user.user_id)]
        now_ms = self._clock.now_ms()
        return [_event(user, now_ms) for user in users[: wanted.limit]]

    def _is_wanted(self, request: SyncRequest) -> bool:
        return self._config.is_shown and request.filter.presence.matches_type(_TYPE)

    def _in_rooms(self, room_nids: Iterable[int], known: set[int]) -> list[UserPresence]:
        """Who isn't offline in these rooms, but for those known already."""
        found: dict[int, UserPresence] = {}
        for room_nid in room_nids:
            for other in self._followers.of_room(room_nid):
                user = self._changes.get(other.user_nid)
                if user is not None and user.state and user.user_nid not in known:
                    found[user.user_nid] = user
        return list(found.values())

    async def _visible(
        self, follower: Follower, users: Iterable[UserPresence]
    ) -> list[UserPresence]:
        """The user, and those of the others who share a room with them."""
        visible: list[UserPresence] = []
        unknown: dict[int, UserPresence] = {}
        for user in users:
            other = self._followers.get(user.user_nid)
            if other is follower:
                visible.append(user)
            elif other is None or other.loading is not None:
                unknown[user.user_nid] = user
            elif not follower.rooms.isdisjoint(other.rooms):
                visible.append(user)
        if unknown:
            shared = await self._store.share_rooms(follower.user_nid, list(unknown))
            visible += [user for user_nid, user in unknown.items() if user_nid in shared]
        return visible

    async def _offline(self, follower: Follower, known: set[int]) -> list[UserPresence]:
        rows = await self._store.of_all_who_share_rooms(follower.user_nid, _MAX_OFFLINE)
        now_ms = self._clock.now_ms()
        return [
            self._changes.get(row.user_nid) or restored(row, now_ms)
            for row in rows
            if row.user_nid not in known
        ]


def _event(user: UserPresence, now_ms: int) -> bytes:
    return orjson.dumps(
        {"type": _TYPE, "sender": user.user_id, "content": presence_content(user, now_ms)}
    )
