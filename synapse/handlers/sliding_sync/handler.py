"""The request itself: which rooms to look at, and waiting until one of them has news."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from synapse.handlers.sliding_sync.connections import Connections, News, SentRoom, Told
from synapse.handlers.sliding_sync.drafts import Drafts
from synapse.handlers.sliding_sync.extensions import Extensions, Extra, Scope
from synapse.handlers.sliding_sync.joined import JoinedViews
from synapse.handlers.sliding_sync.outside import OutsideViews
from synapse.handlers.sliding_sync.request import SlidingRequest
from synapse.handlers.sliding_sync.room_list import RoomList, RoomLists
from synapse.handlers.sliding_sync.wanted import Moment, Wanted
from synapse.handlers.sliding_sync.windows import WindowFinder, Windows
from synapse.handlers.sync.encryption import EncryptionInSync
from synapse.handlers.sync.ephemeral import Ephemeral
from synapse.handlers.sync.waiting import wait_for
from synapse.storage.database import Database
from synapse.streams.followers import Follower, Followers
from synapse.streams.tokens import SyncToken
from synapse.streams.typing import Typing
from synapse.util.clock import Clock

_MAX_TIMEOUT_MS = 10 * 60 * 1000
# Rooms of one answer; what is left out comes with the next one, which does not wait.
MAX_ROOMS = 200


@dataclass(slots=True)
class _Answer:
    windows: Windows
    shown: frozenset[int]
    rooms: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[int, SentRoom] = field(default_factory=dict)
    # The rooms told from the beginning, with the events of their timelines.
    new_rooms: dict[int, frozenset[str]] = field(default_factory=dict)
    extra: Extra = field(default_factory=Extra)

    @property
    def has_news(self) -> bool:
        return bool(self.rooms) or self.extra.has_news

    def to_json(self, request: SlidingRequest, pos: str) -> bytes:
        answer: dict[str, Any] = {
            "pos": pos,
            "lists": {name: {"count": count} for name, count in self.windows.counts.items()},
            "rooms": self.rooms,
            "extensions": self.extra.parts,
        }
        if request.txn_id is not None:
            answer["txn_id"] = request.txn_id
        return orjson.dumps(answer)


class SlidingSync:
    """Answers sliding sync."""

    def __init__(
        self,
        database: Database,
        followers: Followers,
        typing: Typing,
        connections: Connections,
        lists: RoomLists,
        finder: WindowFinder,
        joined: JoinedViews,
        outside: OutsideViews,
        drafts: Drafts,
        ephemeral: Ephemeral,
        extensions: Extensions,
        encryption: EncryptionInSync,
        clock: Clock,
    ) -> None:
        self._database = database
        self._followers = followers
        self._typing = typing
        self._connections = connections
        self._lists = lists
        self._finder = finder
        self._joined = joined
        self._outside = outside
        self._drafts = drafts
        self._ephemeral = ephemeral
        self._extensions = extensions
        self._encryption = encryption
        self._clock = clock

    async def sync(self, request: SlidingRequest) -> bytes:
        """The answer's JSON, at once if there is news, else when there is or time is up.

        Raises `UnknownPos`.
        """
        requester = request.requester
        connection = self._connections.resume(requester, request.conn_id, request.pos)
        told = connection.told
        follower = await self._followers.follow(requester.user_id, requester.user_nid)
        deadline = self._clock.monotonic() + min(request.timeout_ms, _MAX_TIMEOUT_MS) / 1000
        while True:
            token = SyncToken(self._database.position, self._typing.serial)
            answer = await self._build(follower, request, told, token)
            if follower.membership_moved > token.position:
                continue  # the rooms changed while the answer was made
            if answer.has_news or told.token is None:
                break
            if not await self._wait(follower, request, deadline, token):
                break
        news = News(token, answer.sent, answer.shown)
        return answer.to_json(request, connection.answer(news))

    async def _wait(
        self, follower: Follower, request: SlidingRequest, deadline: float, token: SyncToken
    ) -> bool:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            return False
        if follower.has_news_since(token.position) or self._typing.serial != token.typing:
            return True  # it came while the answer was made
        if "e2ee" in request.extensions and self._encryption.has_news(
            request.requester, token.position
        ):
            return True
        if self._extensions.may_have_messages(request, token.position):
            return True
        return await wait_for(self._clock, follower, left, request.requester.device_nid)

    async def _build(
        self, follower: Follower, request: SlidingRequest, told: Told, token: SyncToken
    ) -> _Answer:
        rooms = await self._lists.of(follower, token.position)
        windows = await self._finder.find(rooms, request, told.rooms)
        items = _items(rooms, windows, told)
        read = await self._read_on(follower, items, told)
        items = [item._replace(has_read=item.entry.row.room_nid in read) for item in items]
        wanted = [item for item in items if item.may_have_news]
        # What is left out is not shown yet.
        later = {item.entry.row.room_nid for item in wanted[MAX_ROOMS:]}
        del wanted[MAX_ROOMS:]
        answer = _Answer(windows, frozenset(windows.configs.keys() - later))
        moment = Moment(None if told.token is None else told.token.position, token.position)
        await self._add_rooms(answer, wanted, request, moment)
        scope = Scope(request, rooms, windows, told, answer.new_rooms, token)
        answer.extra = await self._extensions.extra(scope, follower)
        return answer

    async def _read_on(self, follower: Follower, items: list[Wanted], told: Told) -> set[int]:
        """The rooms that the user has read on in since the client was told of them."""
        since_of = {}
        for item in items:
            room_nid, sent = item.entry.row.room_nid, item.sent
            if sent is None or not item.entry.is_joined:
                continue
            since = sent.upto
            if room_nid in told.shown and told.token is not None:
                since = max(since, told.token.position)
            if since < max(follower.since, follower.touched.get(room_nid, 0)):
                since_of[room_nid] = since
        return await self._ephemeral.read_on(follower.user_id, since_of)

    async def _add_rooms(
        self, answer: _Answer, wanted: list[Wanted], request: SlidingRequest, moment: Moment
    ) -> None:
        requester = request.requester
        anew = [
            item
            for item in wanted
            if item.entry.is_joined and (item.is_new or item.expands_timeline)
        ]
        timelines = await self._joined.timelines(requester.user_id, anew, moment.upto)
        drafts = []
        unread = await self._joined.unread(requester, wanted)
        for item in wanted:
            room_nid = item.entry.row.room_nid
            timeline = timelines.get(room_nid)
            if not item.entry.is_joined:
                draft = await self._outside.part(item, requester, moment)
            elif item.is_new:
                assert timeline is not None, "it was read for all new rooms"
                draft = await self._joined.whole(
                    item, requester, timeline, unread[room_nid], moment
                )
                shown = frozenset(event.event_id for event in timeline.events)
                answer.new_rooms[room_nid] = shown
            else:
                draft = await self._joined.news(item, requester, timeline, unread[room_nid], moment)
            drafts.append(draft)
        answer.sent = {draft.room_nid: draft.sent for draft in drafts}
        answer.rooms = await self._drafts.finish(drafts, requester, moment)
        for item in wanted:
            part = answer.rooms.get(item.entry.room_id)
            lists = answer.windows.lists_with(item.entry.row.room_nid)
            if part is not None and lists:
                part["lists"] = lists


def _items(rooms: RoomList, windows: Windows, told: Told) -> list[Wanted]:
    """The rooms in the windows, held against what the client knows of them."""
    items = []
    for room_nid, config in windows.configs.items():
        entry = rooms.entries[room_nid]
        is_dm = entry.room_id in rooms.direct
        items.append(Wanted(entry, config, told.rooms.get(room_nid), is_dm))
    return items
