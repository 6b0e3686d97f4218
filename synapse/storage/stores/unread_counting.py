"""Counting what a user has not read of a room, from what the database says of both.

See `synapse.storage.stores.unread`, which reads that.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Listener(NamedTuple):
    """As whom a user hears a room: see `marks`.

    Rules may ask whether the user is subscribed to the thread of a message (MSC4306). Then there
    are two listeners in threads, and the marks of one user are not what differs, but all there is.
    """

    key: int  # 0: with the predefined rules
    is_quiet: bool  # ordinary messages pass unnoticed
    by_thread: bool = False  # the rules ask for subscriptions
    is_quiet_unsubscribed: bool = False
    is_quiet_subscribed: bool = False

    @classmethod
    def unpack(cls, key: int, flags: int) -> "Listener":
        return cls(key, *(bool(flags & bit) for bit in (1, 2, 4, 8)))

    @property
    def flags(self) -> int:
        return sum(bit for bit, flag in zip((1, 2, 4, 8), self[1:], strict=True) if flag)

    @property
    def keys(self) -> set[int]:
        """All under which there may be marks that aren't for the user alone."""
        return {self.key, subscribed_key(self.key)} if self.by_thread else {self.key}

    def hears(self, mark: "Mark", subscribed_since: int | None) -> bool:
        """Whether a mark that isn't for one user concerns this listener."""
        if not self.by_thread or mark.thread_id in (MAIN, REDACTED):
            return not self.is_quiet if mark.listener == 0 else mark.listener == self.key
        is_subscribed = subscribed_since is not None and mark.event_nid > subscribed_since
        if mark.listener == 0:
            is_quiet = self.is_quiet_subscribed if is_subscribed else self.is_quiet_unsubscribed
            return not is_quiet
        return mark.listener == (subscribed_key(self.key) if is_subscribed else self.key)


def subscribed_key(key: int) -> int:
    """Under which the marks stand for those of a rule set who are subscribed to a thread."""
    return key - SUBSCRIBED


SUBSCRIBED = 2**62  # keys of rule sets are above -2**62


@dataclass(slots=True)
class Count:
    notify: int = 0
    highlight: int = 0


@dataclass(slots=True)
class RoomCounts:
    """What a user has not read of a room."""

    main: Count = field(default_factory=Count)
    threads: dict[str, Count] = field(default_factory=dict)  # by their roots
    made_at: tuple[int, int, int] = (0, 0, 0)  # the room's last event, and its numbers

    def of_thread(self, thread_id: str) -> Count:
        return self.main if thread_id == "main" else self.threads.setdefault(thread_id, Count())

    def total(self) -> Count:
        counts = [self.main, *self.threads.values()]
        return Count(sum(c.notify for c in counts), sum(c.highlight for c in counts))


class Point(NamedTuple):
    event_nid: int
    loud: int
    shouts: int


class Past(NamedTuple):
    until: Point
    listener: Listener


# In place of a thread, in the mark of a redacted event. All that was read is not looked at.
REDACTED = ""
MAIN = "main"


class Mark(NamedTuple):
    thread_id: str
    event_nid: int
    notify: int
    highlight: int
    listener: int
    sender_nid: int


@dataclass(slots=True)
class Facts:
    """What the database says of a user in a room."""

    now: Point
    joined: Point
    read: dict[str, Point] = field(default_factory=dict)
    past: list[Past] = field(default_factory=list)
    marks: set[Mark] = field(default_factory=set)
    threads_floor: int = 0  # messages in threads up to this event_nid aren't counted
    subscribed: dict[str, int] = field(default_factory=dict)  # threads, and since when

    def threads(self) -> set[str]:
        return {mark.thread_id for mark in self.marks} - {MAIN, REDACTED}


def count_unread(user_nid: int, facts: Facts, listener: Listener) -> RoomCounts:
    """What a user has not read of a room that they hear as this listener now."""
    everything = max(facts.joined, facts.read.get("", facts.joined))
    main = max(everything, facts.read.get("main", everything))
    past = [past for past in facts.past if past.until.event_nid > everything.event_nid]
    counts = RoomCounts(made_at=facts.now)
    start = main
    for end, heard in [*past, (facts.now, listener)]:
        if end is not facts.now and end.event_nid <= main.event_nid:
            continue
        if not heard.is_quiet:
            counts.main.notify += end.loud - start.loud
            counts.main.highlight += end.shouts - start.shouts
        start = end
    redacted = {mark.event_nid for mark in facts.marks if mark.thread_id == REDACTED}
    personal = {mark.event_nid for mark in facts.marks if mark.listener == user_nid}
    for mark in facts.marks:
        if mark.event_nid in redacted and mark.thread_id != REDACTED:
            continue
        is_main = mark.thread_id in (MAIN, REDACTED)
        point = main
        if not is_main:
            point = max(everything, facts.read.get(mark.thread_id, everything))
        if mark.sender_nid == user_nid or mark.event_nid <= point.event_nid:
            continue
        heard = next((p.listener for p in past if p.until.event_nid >= mark.event_nid), listener)
        if mark.listener == user_nid:
            concerned = True
        elif heard.by_thread and not is_main and mark.event_nid in personal:
            concerned = False
        else:
            concerned = heard.hears(mark, facts.subscribed.get(mark.thread_id))
        if concerned:
            # Of a message that isn't counted any more nothing is to be taken away.
            least = -1 if is_main or mark.event_nid > facts.threads_floor else 0
            count = counts.main if is_main else counts.of_thread(mark.thread_id)
            count.notify += max(mark.notify, least)
            count.highlight += max(mark.highlight, least)
    return counts
