"""What a sync tells a user of their own: account data."""

from dataclasses import dataclass, field

import orjson

from synapse.events.filtering import EventFilter
from synapse.storage.stores.account_data import GLOBAL, AccountDataEntry, AccountDataStore


@dataclass(slots=True)
class PersonalNews:
    """Account data that changed, as the JSON of its events."""

    account_data: list[bytes] = field(default_factory=list)
    of_rooms: dict[int, list[bytes]] = field(default_factory=dict)


async def personal_news(
    store: AccountDataStore,
    user_nid: int,
    since: int,
    upto: int,
    *,
    everywhere: EventFilter,
    in_rooms: EventFilter,
) -> PersonalNews:
    """The account data that changed after a position; after 0: all of it."""
    news = PersonalNews()
    for entry in await store.changes_since(user_nid, since):
        if entry.stream > upto:
            continue
        if entry.room_nid == GLOBAL:
            if everywhere.matches_type(entry.type):
                news.account_data.append(_event(entry))
        elif in_rooms.matches_type(entry.type):
            news.of_rooms.setdefault(entry.room_nid, []).append(_event(entry))
    return news


def _event(entry: AccountDataEntry) -> bytes:
    return b'{"content":%b,"type":%b}' % (entry.content, orjson.dumps(entry.type))
