"""The backlog: what a server that is behind has not been sent, read from the stream."""

from typing import NamedTuple

from synapse.api.identifiers import domain_of
from synapse.federation.sending.destination import Item
from synapse.federation.sending.device_updates import DeviceUpdates
from synapse.storage.stores.destinations import DestinationStore
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.events import EventStore

# Events for whichever server that are looked at in one go, and changes of devices.
_LOOKED_AT = 1_000
_CHANGES_LOOKED_AT = 200


class Page(NamedTuple):
    items: list[Item]
    up_to: int  # nothing else is for the server before this position


class Backlog:
    """Reads it page by page."""

    def __init__(
        self,
        store: DestinationStore,
        events: EventStore,
        changes: DeviceChanges,
        updates: DeviceUpdates,
    ) -> None:
        self._store = store
        self._events = events
        self._changes = changes
        self._updates = updates

    async def page(self, server: str, after: int, up_to: int, limit: int) -> Page:
        """The next events and changes of devices for a server in a stretch of the stream."""
        outgoing = await self._store.outgoing(after, up_to, _LOOKED_AT)
        end = outgoing[-1].event_nid if len(outgoing) == _LOOKED_AT else up_to
        changes = await self._changes.outgoing(after, end, _CHANGES_LOOKED_AT)
        if len(changes) == _CHANGES_LOOKED_AT:
            end = changes[-1].position
        stays = await self._store.stays(server, list({one.room_nid for one in outgoing}))
        nids = [
            one.event_nid
            for one in outgoing
            if one.room_nid in stays and stays[one.room_nid].hears(one.event_nid)
        ]
        users = list({change.user_nid for change in changes})
        shared = await self._store.shared_with(server, users) if users else set()
        changes = [change for change in changes if change.user_nid in shared]
        positions = sorted([*nids, *(change.position for change in changes)])
        if len(positions) > limit:
            end = positions[limit - 1]
        nids = [nid for nid in nids if nid <= end]
        changes = [change for change in changes if change.position <= end]
        events = await self._events.by_nids(nids)
        items = [
            Item(nid, events[nid].json)
            for nid in nids
            # What a server sent itself may have been passed on by us.
            if nid in events and domain_of(events[nid].sender) != server
        ]
        if changes:
            items = sorted([*items, *await self._updates.items(changes)])
        return Page(items, end)
