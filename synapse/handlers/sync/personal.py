"""What a sync tells a user of their own: account data, and their push rules as a piece of it."""

from dataclasses import dataclass, field

import orjson

from synapse.events.filtering import EventFilter
from synapse.handlers.auth import Requester
from synapse.handlers.push_rules import PUSH_RULES, PushRules
from synapse.handlers.sync.filters import SyncFilter
from synapse.storage.stores.account_data import DELETED, GLOBAL, AccountDataStore


@dataclass(slots=True)
class PersonalNews:
    """Account data that changed, as the JSON of its events."""

    account_data: list[bytes] = field(default_factory=list)
    of_rooms: dict[int, list[bytes]] = field(default_factory=dict)

    def of_room(self, room_nid: int, room_id: str, wish: SyncFilter) -> list[bytes]:
        """What a filter lets through of a room's account data."""
        if not wish.room_account_data.matches_room(room_id):
            return []
        return self.of_rooms.get(room_nid, [])


async def personal_news(
    store: AccountDataStore,
    user_nid: int,
    since: int,
    upto: int,
    *,
    everywhere: EventFilter,
    in_rooms: EventFilter,
    whole: bool = False,
) -> PersonalNews:
    """The account data that changed after a position; after 0: all of it.

    `whole`: what did not change, too.
    """
    news = PersonalNews()
    entries = await store.changes_since(user_nid, since)
    if whole and since:
        # Of what was deleted, only the change tells.
        deleted = [entry for entry in entries if entry.content == DELETED]
        entries = deleted + await store.changes_since(user_nid, 0)
    for entry in entries:
        if entry.stream > upto:
            continue
        if entry.room_nid == GLOBAL:
            if everywhere.matches_type(entry.type):
                news.account_data.append(event_json(entry.type, entry.content))
        elif in_rooms.matches_type(entry.type):
            news.of_rooms.setdefault(entry.room_nid, []).append(
                event_json(entry.type, entry.content)
            )
    return news


async def push_rule_news(
    push_rules: PushRules, requester: Requester, since: int, *, everywhere: EventFilter
) -> list[bytes]:
    """The event of the push rules, if they changed after a position; after 0: always."""
    if not everywhere.matches_type(PUSH_RULES):
        return []
    content = await push_rules.content_since(requester, since)
    return [] if content is None else [event_json(PUSH_RULES, content)]


def event_json(type: str, content: bytes) -> bytes:
    """A piece of account data as an event."""
    return b'{"content":%b,"type":%b}' % (content, orjson.dumps(type))
