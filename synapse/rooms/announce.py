"""Announcing: what was committed becomes visible to the rooms in memory and to who waits."""

import logging
from collections.abc import Callable, Iterable, Mapping

from synapse.api.constants import EventTypes
from synapse.events.event import Event
from synapse.rooms.cache import RoomCache
from synapse.rooms.chunks import Chunk, Entry
from synapse.storage.stores.members import Membership
from synapse.storage.stores.names import Names
from synapse.streams.followers import Followers
from synapse.streams.presence_changes import PresenceChanges
from synapse.streams.typing import Typing

logger = logging.getLogger(__name__)


class Announcer:
    """The last phase of an event's life. Runs in the reactor's thread, in commit order."""

    def __init__(
        self,
        rooms: RoomCache,
        followers: Followers,
        typing: Typing,
        presence: PresenceChanges,
        names: Names,
        *,
        server_name: str,
        membership_changed: Callable[[int, int], object],
    ) -> None:
        """`membership_changed(user_nid, room_nid)` is told of users of ours."""
        self._rooms = rooms
        self._followers = followers
        self._typing = typing
        self._presence = presence
        self._names = names
        self._domain = ":" + server_name
        self._tell_membership = membership_changed
        self._listeners: list[Callable[[list[Chunk]], object]] = []
        self._mover_listeners: list[Callable[[int, str, bool], object]] = []

    def listen(self, callback: Callable[[list[Chunk]], object]) -> None:
        """Tell of chunks after their commit, when all else that concerns them was told."""
        self._listeners.append(callback)

    def listen_to_members(self, callback: Callable[[int, str, bool], object]) -> None:
        """Tell of users, of whichever server, who come into a room (False) or leave it (True)."""
        self._mover_listeners.append(callback)

    def committed(self, chunks: list[Chunk]) -> None:
        """Tell of chunks that were committed together."""
        for chunk in chunks:
            room = chunk.room
            with self._rooms.or_discarded(room):
                for entry in chunk.entries:
                    room.committed(entry.event, entry.flips, entry.position)
                for redaction in chunk.redactions:
                    room.redacted(redaction.redacted)
                self._keep(chunk)
            self._followers.room_moved(room.nid, chunk.entries[-1].position)
            with self._rooms.or_discarded(room):
                for entry in chunk.entries:
                    self._tell_memberships(room.nid, entry)
        for listener in self._listeners:
            try:
                listener(chunks)
            except Exception:
                # One's mistake keeps the news from nobody else.
                logger.exception("A listener could not be told what is committed")

    def stood(self, room_nid: int, event: Event, position: int) -> None:
        """Tell of a member event of ours in a room that this server is not in."""
        room = self._rooms.peek(room_nid)
        if room is not None:
            with self._rooms.or_discarded(room):
                room.stood(event)
        assert event.state_key is not None, "member events have a state key"
        self._membership_changed(room_nid, event.state_key, event, position)

    def became_whole(
        self,
        room_nid: int,
        position: int,
        ours: Iterable[int],
        changed: Mapping[int, Membership],
    ) -> None:
        """Tell of a room that lacked its members: who of ours is in it, and for whom that changed.

        All by their user_nids.
        """
        for user_nid, membership in changed.items():
            self._tell_membership(user_nid, room_nid)
            self._followers.membership_changed(user_nid, room_nid, membership, position)
        self._followers.room_moved(room_nid, position)
        for user_nid in ours:
            self._followers.user_moved(user_nid, position)

    def _keep(self, chunk: Chunk) -> None:
        room = chunk.room
        self._rooms.overtook(room.room_id)
        known = self._rooms.peek(room.nid)
        if known is not None and known is not room:
            if not known.tail or known.pos < chunk.after.pos:
                # Loaded a second time while this one was being written: it lacks these events.
                self._rooms.discard(known)
        elif known is None and not room.lost:
            self._rooms.add(room)
        if room.head == chunk.after.head:
            self._rooms.idle(room)

    def _tell_memberships(self, room_nid: int, entry: Entry) -> None:
        event = entry.event
        if event.type == EventTypes.MEMBER and event.state_key and event.slot not in entry.flips:
            before = None if entry.replaces is None else entry.replaces.membership
            if Membership.JOIN.text in (before, event.membership) and before != event.membership:
                self._member_moved(room_nid, event.state_key, event, entry.position)
            self._membership_changed(room_nid, event.state_key, event, entry.position)
        for slot, winner in entry.flips.items():
            if slot[0] == EventTypes.MEMBER:
                self._member_moved(room_nid, slot[1], winner, entry.position)
                self._membership_changed(room_nid, slot[1], winner, entry.position)

    def _member_moved(
        self, room_nid: int, user_id: str, event: Event | None, position: int
    ) -> None:
        """A user came into the room or left it, or may have."""
        is_gone = event is None or event.membership != Membership.JOIN.text
        self._followers.member_moved(room_nid, user_id, position, is_gone=is_gone)
        for listener in self._mover_listeners:
            listener(room_nid, user_id, is_gone)

    def _membership_changed(
        self, room_nid: int, user_id: str, event: Event | None, position: int
    ) -> None:
        membership = Membership.LEAVE if event is None else Membership.of(event.membership)
        if membership is not Membership.JOIN:
            self._typing.stop(room_nid, user_id)
        if not user_id.endswith(self._domain):
            return
        user_nid = self._names.peek(user_id)
        if user_nid is not None:
            if membership is Membership.JOIN:
                self._presence.joined(user_nid, room_nid)
            self._tell_membership(user_nid, room_nid)
            self._followers.membership_changed(user_nid, room_nid, membership, position)
