"""Thread subscriptions (MSC4306): users say which threads they care for.

Their clients learn of changes by sliding sync, the newest first, and page back through those that
were too many for one answer (MSC4308). A change stands in the stream, so a token is a position.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synapse.api.errors import InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import is_event_id
from synapse.events.event import Event
from synapse.handlers.auth import Requester
from synapse.handlers.push_rules import PushRules
from synapse.handlers.timelines import Timelines
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.thread_subscriptions import (
    ThreadSubscription,
    ThreadSubscriptionStore,
)

MAX_CHANGES = 500  # of one answer
_TOKEN = re.compile(r"b([0-9]{1,18})", re.ASCII)
END = 2**60  # after all changes


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of a user's subscriptions, the newest first."""

    subscriptions: Sequence[ThreadSubscription]
    is_all: bool  # or there are older ones

    @property
    def is_empty(self) -> bool:
        return not self.subscriptions

    def to_json(self, token: str) -> dict[str, Any]:
        """The changes by room and thread; a member of that name says where older ones are."""
        told: dict[str, Any] = {}
        for change in self.subscriptions:
            facts: dict[str, Any] = {"bump_stamp": change.stream}
            if change.subscribed:
                facts["automatic"] = change.automatic
            rooms = told.setdefault("subscribed" if change.subscribed else "unsubscribed", {})
            rooms.setdefault(change.room_id, {})[change.root_id] = facts
        if not self.is_all:
            told[token] = f"b{self.subscriptions[-1].stream}"
        return told


def parse_changes_token(text: str) -> int:
    """The position below which the changes stand that a token leads to. Raises `InvalidParam`."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise InvalidParam(f"Not a token of this server: {text[:100]!r}")
    return int(match[1])


class ThreadSubscriptions:
    """Subscribes users to threads that they may see.

    All raise `NotFound` if the thread's root isn't there, or not for the requester.
    """

    def __init__(
        self,
        store: ThreadSubscriptionStore,
        rooms: RoomCache,
        timelines: Timelines,
        push_rules: PushRules,
    ) -> None:
        self._store = store
        self._push_rules = push_rules
        self._rooms = rooms
        self._timelines = timelines

    async def is_automatic(self, requester: Requester, room_id: str, root_id: str) -> bool:
        """Whether a client made the subscription. Raises `NotFound` also if there is none."""
        root = await self._timelines.event(requester, room_id, root_id)
        automatic = await self._store.is_automatic(requester.user_nid, root.nid)
        if automatic is None:
            raise NotFound("You are not subscribed to this thread")
        return automatic

    async def subscribe(
        self, requester: Requester, room_id: str, root_id: str, cause_id: str | None
    ) -> None:
        """Subscribe to a thread; a client that does so on its own names the event that is why.

        Raises 400 `M_NOT_IN_THREAD` if that event isn't in the thread, and 409
        `M_CONFLICTING_UNSUBSCRIPTION` if the user has unsubscribed after it came.
        """
        root = await self._timelines.event(requester, room_id, root_id)
        cause = None
        if cause_id is not None:
            cause = await self._event_in_thread(requester, room_id, root_id, cause_id)
        room = await self._rooms.get(room_id)
        cause_nid = None if cause is None else cause.nid
        if not await self._store.subscribe(requester.user_nid, room.nid, root.nid, cause_nid):
            raise MatrixError(
                409,
                "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION",
                "You have unsubscribed from the thread since that event came",
            )
        await self._push_rules.add_thread_rules(requester)

    async def unsubscribe(self, requester: Requester, room_id: str, root_id: str) -> None:
        """Unsubscribe from a thread, if there is a subscription."""
        root = await self._timelines.event(requester, room_id, root_id)
        room = await self._rooms.get(room_id)
        await self._store.unsubscribe(requester.user_nid, room.nid, root.nid)

    async def changes(self, requester: Requester, after: int, upto: int, limit: int) -> Changes:
        """The newest `limit` changes between two positions; not more than `MAX_CHANGES`."""
        limit = min(limit, MAX_CHANGES)
        found = await self._store.changes(requester.user_nid, after, upto, limit + 1)
        return Changes(found[:limit], len(found) <= limit)

    async def _event_in_thread(
        self, requester: Requester, room_id: str, root_id: str, event_id: str
    ) -> Event:
        if not is_event_id(event_id):
            raise _not_in_thread()
        try:
            event = await self._timelines.event(requester, room_id, event_id)
        except NotFound:
            raise _not_in_thread() from None
        relation = event.content.get("m.relates_to")
        if not isinstance(relation, dict) or relation.get("rel_type") != "m.thread":
            raise _not_in_thread()
        if relation.get("event_id") != root_id:
            raise _not_in_thread()
        return event


def _not_in_thread() -> MatrixError:
    text = "The event that caused the subscription is not in the thread"
    return MatrixError(400, "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD", text)
