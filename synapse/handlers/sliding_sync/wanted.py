"""What an answer has to look at: a room of a window, held against what the client knows of it."""

from typing import NamedTuple

from synapse.handlers.sliding_sync.connections import MEMBERS_KEPT, SentRoom
from synapse.handlers.sliding_sync.request import RoomConfig
from synapse.handlers.sliding_sync.room_list import Entry


class Wanted(NamedTuple):
    """A room in a client's windows."""

    entry: Entry
    config: RoomConfig
    sent: SentRoom | None
    is_dm: bool
    has_read: bool = False  # the user has read on since the room was told

    @property
    def is_new(self) -> bool:
        """Whether the client knows nothing of the room as one that the user is in."""
        sent = self.sent
        return sent is None or not sent.is_inside or self.entry.row.since > sent.upto

    @property
    def expands_timeline(self) -> bool:
        sent = self.sent
        return sent is not None and self.config.timeline_limit > sent.timeline_limit

    @property
    def may_have_news(self) -> bool:
        sent = self.sent
        if sent is None or self.entry.activity > sent.upto or self.is_dm != sent.is_dm:
            return True
        if self.has_read:
            return True
        if not self.entry.is_joined:
            return self.entry.row.event_nid != sent.member_nid
        return (
            self.is_new
            or self.expands_timeline
            or not self.config.required.pairs <= sent.required.pairs
        )

    def as_sent(self, upto: int, users: set[str], timeline_limit: int) -> SentRoom:
        return SentRoom(
            upto=upto,
            member_nid=self.entry.row.event_nid,
            timeline_limit=timeline_limit,
            required=self.config.required,
            is_dm=self.is_dm,
            is_inside=self.entry.is_joined,
            members=frozenset(users if len(users) <= MEMBERS_KEPT else ()),
        )


class Moment(NamedTuple):
    """From where to where an answer goes."""

    since: int | None  # None: from nothing
    upto: int
