"""The backlog: what a server that is behind has not been sent, read from the stream."""

from typing import NamedTuple

from synapse.api.identifiers import domain_of
from synapse.federation.sending.destination import Item
from synapse.storage.stores.destinations import DestinationStore
from synapse.storage.stores.events import EventStore

# Events for whichever server that are looked at in one go.
_LOOKED_AT = 1_000


class Page(NamedTuple):
    items: list[Item]
    up_to: int  # nothing else is for the server before this position


class Backlog:
    """Reads it page by page."""

    def __init__(self, store: DestinationStore, events: EventStore) -> None:
        self._store = store
        self._events = events

    async def page(self, server: str, after: int, up_to: int, limit: int) -> Page:
        """The next events for a server in a stretch of the stream, up to a limit."""
        outgoing = await self._store.outgoing(after, up_to, _LOOKED_AT)
        end = outgoing[-1].event_nid if len(outgoing) == _LOOKED_AT else up_to
        stays = await self._store.stays(server, list({one.room_nid for one in outgoing}))
        nids = [
            one.event_nid
            for one in outgoing
            if one.room_nid in stays and stays[one.room_nid].hears(one.event_nid)
        ]
        if len(nids) > limit:
            nids = nids[:limit]
            end = nids[-1]
        events = await self._events.by_nids(nids)
        items = [
            Item(nid, events[nid].json)
            for nid in nids
            # What a server sent itself may have been passed on by us.
            if nid in events and domain_of(events[nid].sender) != server
        ]
        return Page(items, end)
