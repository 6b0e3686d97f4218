"""What is bundled with events of those that relate to them (client-server API, "Aggregations of
child events"): the latest edit, the thread, the references.

Most pages have no related events, and cost one small query, which asks no more than that: what is
bundled is asked of those events alone that have some. Then the users whom the reader ignores cost
another one, and the edits and the newest events of threads are read, which are often in memory.
"""

from collections.abc import Mapping, Sequence

import orjson

from synapse.api.errors import Forbidden
from synapse.events.client_format import client_event
from synapse.events.event import Event
from synapse.events.relations import REFERENCE, REPLACE, THREAD
from synapse.handlers.auth import Requester
from synapse.handlers.ignored_users import IgnoredUsers
from synapse.handlers.thread_views import Budget, ThreadViews
from synapse.handlers.visibility import Reader, Visibility
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.events import EventStore
from synapse.storage.stores.members import MemberRow, Membership
from synapse.storage.stores.relations import Child, RelationStore
from synapse.util.clock import Clock


class Aggregations:
    """Makes `m.relations`, as one user may see it."""

    def __init__(
        self,
        relations: RelationStore,
        events: EventStore,
        rooms: RoomCache,
        visibility: Visibility,
        views: ThreadViews,
        ignored_users: IgnoredUsers,
        clock: Clock,
    ) -> None:
        self._relations = relations
        self._events = events
        self._rooms = rooms
        self._visibility = visibility
        self._views = views
        self._ignored_users = ignored_users
        self._clock = clock

    async def of(
        self,
        requester: Requester,
        events: Sequence[Event],
        memberships: Mapping[str, MemberRow] | None = None,
    ) -> dict[int, bytes]:
        """By event_nid, the member `"m.relations":{…}` of `unsigned`, for events that have one.

        `memberships` are what is known of the user's, by room id: it saves asking.
        """
        parents = {event.nid: event for event in events if event.nid and not event.is_state}
        children = await self._children(requester, list(parents))
        if not children:
            return {}
        readers = _Readers(requester, self._rooms, self._visibility, memberships or {})
        shown = await self._shown(readers, children)
        children = await self._as_seen(readers, parents, children, shown)
        threads = [child.event_nid for child in children if child.rel_type == THREAD]
        inner: dict[int, bytes] = {}
        if newest := {nid: shown[nid] for nid in threads if nid in shown}:
            # They are in a thread, so they are no roots of others: this goes no deeper.
            children_of_newest = await self._children(requester, list(newest))
            if children_of_newest:
                more = await self._shown(readers, children_of_newest)
                inner = self._bundles(requester, newest, children_of_newest, more, {})
        return self._bundles(requester, parents, children, shown, inner)

    async def _children(self, requester: Requester, nids: list[int]) -> list[Child]:
        parents = await self._relations.parents(nids) if nids else []
        if not parents:
            return []
        children = await self._relations.aggregated(parents, requester.user_nid)
        if children:
            ignored = await self._ignored_users.numbers_of(requester)
            if ignored:
                return await self._relations.aggregated(parents, requester.user_nid, ignored)
        return children

    async def _shown(self, readers: "_Readers", children: list[Child]) -> dict[int, Event]:
        """The children that the user may see."""
        events = await self._events.by_nids(child.event_nid for child in children)
        shown: dict[int, Event] = {}
        doubtful: dict[str, list[Event]] = {}
        for event in events.values():
            if readers.joined_before(event):
                shown[event.nid] = event
            else:
                doubtful.setdefault(event.room_id, []).append(event)
        for room_id, in_question in doubtful.items():
            reader = await readers.of(room_id)
            if reader is not None:
                visible = await self._visibility.visible_to(reader, in_question)
                shown.update((event.nid, event) for event in visible)
        return shown

    async def _as_seen(
        self,
        readers: "_Readers",
        parents: Mapping[int, Event],
        children: list[Child],
        shown: dict[int, Event],
    ) -> list[Child]:
        """The same, but a thread of which the user sees a part is that part; `shown` grows."""
        seen = []
        budget = Budget()
        for child in children:
            root = parents[child.parent_nid]
            if child.rel_type != THREAD or readers.joined_before(root):
                seen.append(child)
                continue
            reader = await readers.of(root.room_id)
            if reader is None:
                continue
            if await self._visibility.sees_all_from(reader, root):
                seen.append(child)
                continue
            ignored = await self._ignored_users.of(readers.requester)
            view = await self._views.view(reader, root.event_id, ignored, budget)
            if view is not None:
                shown[view.newest.nid] = view.newest
                seen.append(child.of_part(view.newest.nid, view.newest.event_id, view.length))
        return seen

    def _bundles(
        self,
        requester: Requester,
        parents: Mapping[int, Event],
        children: list[Child],
        shown: Mapping[int, Event],
        inner: Mapping[int, bytes],
    ) -> dict[int, bytes]:
        now_ms = self._clock.now_ms()
        members: dict[int, list[bytes]] = {}
        edits: dict[int, Event] = {}
        references: dict[int, list[bytes]] = {}
        for child in children:
            event = shown.get(child.event_nid)
            if event is None:
                continue
            parent = parents[child.parent_nid]
            if child.rel_type == REPLACE:
                known = edits.get(parent.nid)
                if known is None or known.event_id < event.event_id:
                    edits[parent.nid] = event
            elif child.rel_type == REFERENCE:
                entry = b'{"event_id":%b}' % orjson.dumps(child.event_id)
                references.setdefault(parent.nid, []).append(entry)
            else:
                participated = bool(child.user_participated) or parent.sender == requester.user_id
                thread = b'"m.thread":{"latest_event":%b,"count":%d,"current_user_participated":%b}'
                latest = client_event(event, now_ms=now_ms, unsigned=inner.get(event.nid, b""))
                members.setdefault(parent.nid, []).append(
                    thread % (latest, child.length, b"true" if participated else b"false")
                )
        for nid, edit in edits.items():
            rendered = client_event(edit, now_ms=now_ms)
            members.setdefault(nid, []).append(b'"m.replace":' + rendered)
        for nid, entries in references.items():
            chunk = b'"m.reference":{"chunk":[%b]}' % b",".join(entries)
            members.setdefault(nid, []).append(chunk)
        return {nid: b'"m.relations":{%b}' % b",".join(parts) for nid, parts in members.items()}


class _Readers:
    """The user as a reader of the rooms that an answer is about."""

    def __init__(
        self,
        requester: Requester,
        rooms: RoomCache,
        visibility: Visibility,
        memberships: Mapping[str, MemberRow],
    ) -> None:
        self.requester = requester
        self._rooms = rooms
        self._visibility = visibility
        self._memberships = memberships
        self._readers: dict[str, Reader | None] = {}

    def joined_before(self, event: Event) -> bool:
        """Whether it is known that the user has been in the room since before the event."""
        row = self._memberships.get(event.room_id)
        if row is None or row.membership != Membership.JOIN:
            return False
        return event.live and event.nid >= row.since

    async def of(self, room_id: str) -> Reader | None:
        """None: the user is told of the room's events for another reason than being in it."""
        if room_id not in self._readers:
            room = await self._rooms.get(room_id)
            user_id, user_nid = self.requester.user_id, self.requester.user_nid
            try:
                reader = await self._visibility.reader(room, user_id, user_nid)
            except Forbidden:
                self._readers[room_id] = None
            else:
                self._readers[room_id] = reader
        return self._readers[room_id]
