"""How users of ours are, told to the servers with whose users they share rooms.

Server-server API, "Presence". What changes within a second is told together, and a server hears of
each user once, whatever the number of rooms.
"""

from functools import partial
from typing import Any

from synapse.federation.sending.distributor import Distributor
from synapse.federation.sending.pending_edus import PendingEdus
from synapse.federation.sending.sender import Sender
from synapse.handlers.presence import presence_content
from synapse.storage.stores.destinations import DestinationStore
from synapse.streams.followers import Followers
from synapse.streams.presence import UserPresence
from synapse.streams.presence_changes import PresenceChanges
from synapse.util.background import Background
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock, Timer

_GATHER_S = 1.0
# Users whose servers are looked up in one go; the others have to wait for the next one.
_AT_ONCE = 100
# Other servers take who isn't told of for half an hour for offline.
_REPEAT_S = 25 * 60.0

_Told = list[tuple[str, dict[str, Any]]]


class PresenceSending:
    """Follows the changes of presence. Do nothing with it if presence is not shown."""

    def __init__(
        self,
        sender: Sender,
        distributor: Distributor,
        store: DestinationStore,
        changes: PresenceChanges,
        followers: Followers,
        clock: Clock,
        background: Background,
    ) -> None:
        self._sender = sender
        self._store = store
        self._changes = changes
        self._followers = followers
        self._clock = clock
        self._background = background
        self._moved: dict[int, UserPresence] = {}
        self._timer: Timer | None = None
        self._repeater: Timer | None = None
        self._is_started = False
        self._is_telling = False
        self.told = 0  # for the metrics: users, for each server
        changes.listen(self._changed)
        distributor.listen(self._arrived)

    @property
    def waiting(self) -> int:
        """Of how many users no server has been told yet how they are now."""
        return len(self._moved)

    def start(self) -> None:
        """Tell, from now on, and repeat what others would else forget."""
        self._is_started = True
        self._repeater = self._clock.call_later(_REPEAT_S, self._repeat)

    def stop(self) -> None:
        self._is_started = False
        for timer in (self._timer, self._repeater):
            if timer is not None and timer.active():
                timer.cancel()

    def _changed(self, user: UserPresence) -> None:
        if user.is_local and self._is_started:
            self._moved[user.user_nid] = user
            self._plan()

    def _arrived(self, room_nid: int, server: str) -> None:
        """A server is new in a room: it does not know how those are who are in it."""
        now_ms = self._clock.now_ms()
        awake = [self._changes.get(f.user_nid) for f in self._followers.of_room(room_nid)]
        told = [
            (user.user_id, presence_content(user, now_ms)) for user in awake if user and user.state
        ]
        if told:
            self._sender.tell(server, partial(_add, told))

    def _repeat(self) -> None:
        for user in self._changes.awake():
            self._changed(user)
        self.start()

    def _plan(self) -> None:
        if self._timer is None and self._is_started:
            self._timer = self._clock.call_later(_GATHER_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._is_telling:
            self._plan()  # what is newer must not come before that
            return
        users = list(self._moved.values())[:_AT_ONCE]
        for user in users:
            del self._moved[user.user_nid]
        if self._moved:
            self._plan()
        self._is_telling = True
        self._background.spawn("tell other servers of presence", self._tell(users))

    async def _tell(self, users: list[UserPresence]) -> None:
        try:
            await self._tell_servers(users)
        finally:
            self._is_telling = False

    async def _tell_servers(self, users: list[UserPresence]) -> None:
        breaks = Breaks(self._clock)
        by_server: dict[str, _Told] = {}
        for user in users:
            servers = await self._store.servers_of_user(user.user_nid)
            content = presence_content(user, self._clock.now_ms())
            for server in servers:
                by_server.setdefault(server, []).append((user.user_id, content))
            await breaks.take()
        for server, told in by_server.items():
            self.told += len(told)
            self._sender.tell(server, partial(_add, told))
            await breaks.take()


def _add(told: _Told, edus: PendingEdus) -> None:
    for user_id, content in told:
        edus.add_presence(user_id, content)
