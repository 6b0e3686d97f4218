"""Listeners: as whom each user hears a room, and whom a new event reaches.

Users who keep the predefined push rules are one listener, however many they are. The others are
grouped by what their rules mean in the room (`synapse.push.evaluation`), and an event is put before
each group once. Only who is mentioned, or ignores the sender, is looked at in person.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from synapse.api.constants import EventTypes
from synapse.events.event import Event, StateMap
from synapse.events.power_levels import PowerLevels
from synapse.handlers.threads import thread_of
from synapse.push.conditions import Facts
from synapse.push.evaluation import SILENT, Outcome, Ruleset, ruleset
from synapse.push.rules import ignored_in
from synapse.rooms.cache import RoomCache
from synapse.rooms.noise import MAIN_THREAD, Mark, Noise
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberStore
from synapse.storage.stores.names import Names
from synapse.storage.stores.push_rules import PushRuleStore, RoomDocument
from synapse.storage.stores.unread_counting import Listener, subscribed_key
from synapse.util.caches import Cache

_PREDEFINED = ruleset("", None, "")
_ORDINARY = Listener(0, False)
_NONE = b""  # stands in a cache for a user who has changed no rule


def listener_of(user_id: str, document: bytes | None, room_id: str) -> Listener:
    """As whom a user with these push rules hears a room."""
    if document is None:
        return _ORDINARY
    rules = ruleset(user_id, document, room_id)
    if rules.key == _PREDEFINED.key:
        return _ORDINARY
    if not rules.asks_threads:
        return Listener(rules.key, rules.is_quiet)
    quiet = (rules.is_quiet_unsubscribed, rules.is_quiet_subscribed)
    return Listener(rules.key, rules.is_quiet, True, *quiet)


class _Audience:
    """The members of a room who have rules of their own."""

    def __init__(self) -> None:
        self.rules: dict[int, Ruleset] = {}  # by user_nid
        self.documents: dict[int, RoomDocument] = {}
        self.groups: dict[int, tuple[Ruleset, str]] = {}  # with a member of each
        self.ignored_by: dict[str, set[int]] = {}  # who (their user_nids) ignores whom
        self.stale: set[int] | None = None  # whose rules or membership changed; None: all

    def take(self, room_id: str, asked: set[int] | None, documents: list[RoomDocument]) -> None:
        for user_nid in list(self.documents) if asked is None else asked:
            self._forget(user_nid)
        for document in documents:
            rules = ruleset(document.user_id, document.json, room_id)
            if rules.key != _PREDEFINED.key:
                self.rules[document.user_nid] = rules
            self.documents[document.user_nid] = document
            for user_id in ignored_in(document.json):
                self.ignored_by.setdefault(user_id, set()).add(document.user_nid)
        self.groups = {
            rules.key: (rules, self.documents[user_nid].user_id)
            for user_nid, rules in self.rules.items()
        }

    def _forget(self, user_nid: int) -> None:
        self.rules.pop(user_nid, None)
        document = self.documents.pop(user_nid, None)
        for user_id in () if document is None else ignored_in(document.json):
            self.ignored_by[user_id].discard(user_nid)
            if not self.ignored_by[user_id]:
                del self.ignored_by[user_id]


class Listeners:
    """Knows who hears what."""

    def __init__(
        self,
        rooms: RoomCache,
        events: EventStore,
        members: MemberStore,
        names: Names,
        push_rules: PushRuleStore,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._members = members
        self._names = names
        self._push_rules = push_rules
        self._domain = ":" + server_name
        self._audiences: Cache[int, _Audience] = Cache(5_000, "room_audiences")
        self._documents: Cache[int, bytes] = Cache(20_000, "push_rules")
        self._listeners: Cache[tuple[int, int], tuple[bytes, Listener]] = Cache(
            100_000, "room_listeners"
        )
        self._changes = 0

    # Reading.

    async def of_rooms(
        self, user_id: str, user_nid: int, room_ids: dict[int, str]
    ) -> dict[int, Listener]:
        """As whom a user hears these rooms, by room_nid."""
        document = await self._document(user_nid)
        if document == _NONE:
            return dict.fromkeys(room_ids, _ORDINARY)
        listeners = {}
        for room_nid, room_id in room_ids.items():
            known = self._listeners.get((user_nid, room_nid))
            if known is None or known[0] is not document:
                known = (document, listener_of(user_id, document, room_id))
                self._listeners[user_nid, room_nid] = known
            listeners[room_nid] = known[1]
        return listeners

    async def document(self, user_nid: int) -> bytes | None:
        """What a user has made of the push rules; None: nothing."""
        return await self._document(user_nid) or None

    async def _document(self, user_nid: int) -> bytes:
        document = self._documents.get(user_nid)
        if document is None:
            changes = self._changes
            document = await self._push_rules.document(user_nid) or _NONE
            if self._changes == changes:
                self._documents[user_nid] = document
        return document

    # Writing.

    async def weigh(self, room: Room, draft: Draft, state: StateMap) -> Noise:
        """Whom an event reaches that is about to be written. Hold the room's lock."""
        thread_id = MAIN_THREAD
        if draft.state_key is None:
            thread_id = await thread_of(self._events, room.room_id, draft.content)
        facts = facts_of(draft, room.room_id, room.joined, state)
        usual = _PREDEFINED.outcome(facts)
        audience = await self._audience(room)
        heard: dict[int, _Heard] = {}
        marks = []
        for key, (rules, member) in audience.groups.items():
            name = await self._display_name(room, member) if rules.asks_name else None
            heard[key] = _hear(rules, facts, name, in_thread=thread_id != MAIN_THREAD)
            marks += _group_marks(rules, heard[key], usual)
        ignoring: set[int] = set()
        if draft.state_key is None:
            ignoring = audience.ignored_by.get(draft.sender, ignoring)
        for user_nid in ignoring:
            own = audience.rules.get(user_nid)
            marks += _silence(user_nid, _Heard(usual) if own is None else heard[own.key])
        if mentioned := self._mentioned(draft):
            marks += await self._mentions(room, mentioned, facts, audience, usual, heard, ignoring)
        return Noise(usual.notify, usual.highlight, tuple(marks), thread_id)

    def _mentioned(self, draft: Draft) -> list[str]:
        """Users of ours whom the sender says to mention."""
        mentions = draft.content.get("m.mentions")
        users = mentions.get("user_ids") if type(mentions) is dict else None
        if type(users) is not list:
            return []
        ours = {u for u in users if type(u) is str and u.endswith(self._domain)}
        return list(ours - {draft.sender})

    async def _mentions(
        self,
        room: Room,
        mentioned: Sequence[str],
        facts: Facts,
        audience: _Audience,
        usual: Outcome,
        heard: "dict[int, _Heard]",
        ignoring: Collection[int],
    ) -> list[Mark]:
        nids = await self._names.nids(mentioned)
        joined = await self._members.joined_among(room.nid, list(nids.values()))
        marks: list[Mark] = []
        predefined: Outcome | None = None
        for user_id, user_nid in nids.items():
            if user_nid not in joined or user_nid in ignoring:
                continue
            document, rules = audience.documents.get(user_nid), audience.rules.get(user_nid)
            if document is None:
                # What a mention is to one of those who keep the predefined rules, it is to all.
                if predefined is None:
                    predefined = ruleset(user_id, None, room.room_id, shared=False).outcome(facts)
                marks += _mark(user_nid, predefined, usual)
                continue
            own = ruleset(user_id, document.json, room.room_id, shared=False)
            name = await self._display_name(room, user_id) if own.asks_name else None
            others = _Heard(usual) if rules is None else heard[rules.key]
            personal = _hear(own, facts, name, in_thread=others.subscribed is not None)
            if personal.subscribed is None:
                marks += _mark(user_nid, personal.outcome, others.outcome)
            elif personal != others:
                # What asks for the user asks for no subscription.
                marks.append(Mark(user_nid, *map(int, personal.outcome)))
        return marks

    async def _display_name(self, room: Room, user_id: str) -> str | None:
        member = await self._rooms.current(room, EventTypes.MEMBER, user_id)
        name = None if member is None else member.content.get("displayname")
        return name if isinstance(name, str) else None

    async def _audience(self, room: Room) -> _Audience:
        audience = self._audiences.get(room.nid)
        if audience is None:
            audience = self._audiences[room.nid] = _Audience()
        while audience.stale is None or audience.stale:
            asked, audience.stale = audience.stale, set()
            try:
                documents = await self._push_rules.documents_in(room.nid, asked)
            except BaseException:
                audience.stale = None
                raise
            audience.take(room.room_id, asked, documents)
        return audience

    # News.

    def rules_changed(self, user_nid: int, room_nids: Sequence[int]) -> None:
        """A user who is in these rooms has other push rules now."""
        self._changes += 1
        self._documents.pop(user_nid)
        for room_nid in room_nids:
            self.membership_changed(user_nid, room_nid)

    def membership_changed(self, user_nid: int, room_nid: int) -> None:
        """A user came into a room, or left it."""
        audience = self._audiences.get(room_nid)
        if audience is not None and audience.stale is not None:
            audience.stale.add(user_nid)


def facts_of(event: Draft | Event, room_id: str, member_count: int, state: StateMap) -> Facts:
    """What push rules may ask of an event. `state` holds the room's creation and power levels."""
    described = {
        "type": event.type,
        "sender": event.sender,
        "room_id": room_id,
        "content": event.content,
    }
    if event.state_key is not None:
        described["state_key"] = event.state_key
    power_levels = state.get((EventTypes.POWER_LEVELS, ""))
    levels = None if power_levels is None else power_levels.content.get("notifications")
    return Facts(
        described,
        member_count=member_count,
        sender_level=PowerLevels.of(state).of_user(event.sender),
        notification_levels=levels if type(levels) is dict else {},
    )


class _Heard(NamedTuple):
    """What an event is to some."""

    outcome: Outcome
    # In threads, if the rules ask for that: to those who are subscribed; `outcome` is for others.
    subscribed: Outcome | None = None


def _hear(rules: Ruleset, facts: Facts, name: str | None, *, in_thread: bool) -> _Heard:
    if not (in_thread and rules.asks_threads):
        return _Heard(rules.outcome(facts, name))
    return _Heard(
        rules.outcome(replace(facts, is_subscribed=False), name),
        rules.outcome(replace(facts, is_subscribed=True), name),
    )


def _group_marks(rules: Ruleset, heard: _Heard, usual: Outcome) -> list[Mark]:
    """By how much an event is something else to a group than the numbers say."""
    if heard.subscribed is None:
        return _mark(rules.key, heard.outcome, SILENT if rules.is_quiet else usual)
    return [
        *_mark(rules.key, heard.outcome, SILENT if rules.is_quiet_unsubscribed else usual),
        *_mark(
            subscribed_key(rules.key),
            heard.subscribed,
            SILENT if rules.is_quiet_subscribed else usual,
        ),
    ]


def _silence(user_nid: int, heard: _Heard) -> list[Mark]:
    """What keeps an event from a user to whom it would be that."""
    if heard.subscribed is None:
        return _mark(user_nid, SILENT, heard.outcome)
    return [Mark(user_nid, 0, 0)]


def _mark(listener: int, outcome: Outcome, usual: Outcome) -> list[Mark]:
    if outcome == usual:
        return []
    notify, highlight = outcome.notify - usual.notify, outcome.highlight - usual.highlight
    return [Mark(listener, notify, highlight)]
