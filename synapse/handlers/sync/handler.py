"""The sync itself: what to look at, and waiting until there is something to tell."""

from dataclasses import dataclass, field, replace

from synapse.handlers.auth import Requester
from synapse.handlers.invite_permission import InvitePermission
from synapse.handlers.push_rules import PushRules
from synapse.handlers.sync.elsewhere import RoomsElsewhere
from synapse.handlers.sync.encryption import EncryptionInSync
from synapse.handlers.sync.joined import JoinedRooms
from synapse.handlers.sync.personal import PersonalNews, personal_news, push_rule_news
from synapse.handlers.sync.presence import PresenceInSync
from synapse.handlers.sync.request import SyncRequest
from synapse.handlers.sync.to_device import ToDevice, ToDeviceNews
from synapse.handlers.sync.waiting import wait_for
from synapse.rooms.cache import RoomCache
from synapse.storage.database import Database
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.members import MemberRow, Membership, MemberStore
from synapse.storage.stores.partial_rooms import PartialRoomStore
from synapse.storage.stores.rooms import RoomStore
from synapse.streams.followers import Follower, Followers
from synapse.streams.tokens import SyncToken
from synapse.streams.typing import Typing
from synapse.util.breaks import Breaks
from synapse.util.clock import Clock

# However long a client wants to wait.
_MAX_TIMEOUT_MS = 10 * 60 * 1000
# How long a commit that a reader has seen may take to be announced.
_ANNOUNCED_SECONDS = 1


@dataclass(slots=True)
class _Answer:
    """The parts of an answer, as JSON members and events."""

    join: list[bytes] = field(default_factory=list)
    invite: list[bytes] = field(default_factory=list)
    knock: list[bytes] = field(default_factory=list)
    leave: list[bytes] = field(default_factory=list)
    account_data: list[bytes] = field(default_factory=list)
    presence: list[bytes] = field(default_factory=list)
    encryption: bytes = b""
    has_encryption_news: bool = False
    to_device: ToDeviceNews = field(default_factory=ToDeviceNews)
    # The newest change of the user's memberships that was met, if the answer leaves it out.
    overtaken_by: int = 0

    @property
    def is_empty(self) -> bool:
        rooms = self.join or self.invite or self.knock or self.leave
        if self.account_data or self.presence or self.has_encryption_news:
            return False
        return not (rooms or self.to_device.events)

    def to_json(self, token: SyncToken) -> bytes:
        if self.to_device.told_up_to is not None:
            token = replace(token, to_device=self.to_device.told_up_to)
        members = [b'"next_batch":"%b"' % str(token).encode(), self.encryption]
        if self.account_data:
            members.append(b'"account_data":{"events":[%b]}' % b",".join(self.account_data))
        if self.presence:
            members.append(b'"presence":{"events":[%b]}' % b",".join(self.presence))
        if self.to_device.events:
            members.append(b'"to_device":{"events":[%b]}' % b",".join(self.to_device.events))
        kinds = (
            (b"join", self.join),
            (b"invite", self.invite),
            (b"knock", self.knock),
            (b"leave", self.leave),
        )
        # It may be a hundred megabytes: put together once.
        pieces = [b"{", b",".join(members)]
        before = b',"rooms":{'
        for name, parts in kinds:
            if parts:
                pieces.append(b'%b"%b":{' % (before, name))
                pieces += _with_commas(parts)
                pieces.append(b"}")
                before = b","
        if before == b",":
            pieces.append(b"}")
        pieces.append(b"}")
        return b"".join(pieces)


class Sync:
    """Answers `/sync`."""

    def __init__(
        self,
        database: Database,
        rooms: RoomCache,
        room_store: RoomStore,
        members: MemberStore,
        account_data: AccountDataStore,
        push_rules: PushRules,
        invite_permission: InvitePermission,
        followers: Followers,
        typing: Typing,
        joined: JoinedRooms,
        elsewhere: RoomsElsewhere,
        presence: PresenceInSync,
        encryption: EncryptionInSync,
        to_device: ToDevice,
        partial_rooms: PartialRoomStore,
        clock: Clock,
        *,
        excluded_rooms: tuple[str, ...] = (),
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._room_store = room_store
        self._members = members
        self._account_data = account_data
        self._push_rules = push_rules
        self._invite_permission = invite_permission
        self._followers = followers
        self._typing = typing
        self._joined = joined
        self._elsewhere = elsewhere
        self._presence = presence
        self._encryption = encryption
        self._to_device = to_device
        self._partial_rooms = partial_rooms
        self._clock = clock
        self._excluded_rooms = frozenset(excluded_rooms)

    async def sync(self, request: SyncRequest) -> bytes:
        """The answer's JSON, at once if there is news, else when there is or time is up."""
        requester = request.requester
        follower = await self._followers.follow(requester.user_id, requester.user_nid)
        deadline = self._clock.monotonic() + min(request.timeout_ms, _MAX_TIMEOUT_MS) / 1000
        request = await self._with_messages_confirmed(request)
        unannounced = 0  # a change of the user's memberships that was waited for in vain
        while True:
            token = SyncToken(self._database.position, self._typing.serial)
            if (
                request.since is None
                or request.full_state
                or self._may_have_news(follower, request)
            ):
                answer = await self._build(follower, request, token.position)
                overtaken_by = max(answer.overtaken_by, follower.membership_moved)
                if overtaken_by > token.position and overtaken_by != unannounced:
                    # The rooms changed while the answer was made. Make one of a single moment, once
                    # the change has been announced; another process's never will be.
                    if follower.membership_moved < overtaken_by:
                        await wait_for(self._clock, follower, _ANNOUNCED_SECONDS)
                        if follower.membership_moved < overtaken_by:
                            unannounced = overtaken_by
                    continue
                if not answer.is_empty or request.since is None or request.full_state:
                    return answer.to_json(token)
                # What was looked at held nothing that the filter lets through.
                request = replace(request, since=token)
            if not await self._wait(follower, request, deadline, token):
                # The token says that all presence until now has been told.
                answer = _Answer(presence=await self._presence.news(follower, request))
                await self._add_encryption(answer, follower, request, token.position)
                return answer.to_json(token)

    def nothing_new(self, requester: Requester, token: SyncToken) -> bytes:
        """The answer to one who is to go on from this token."""
        return _Answer(encryption=self._encryption.nothing_new(requester)).to_json(token)

    async def _with_messages_confirmed(self, request: SyncRequest) -> SyncRequest:
        """The client has the messages to its device that its token says it was told."""
        since = request.since
        if since is not None and since.messages > self._database.position:
            # From before a backup was restored: it confirms nothing of what waits now.
            return replace(request, since=replace(since, to_device=0))
        if since is not None:
            await self._to_device.confirmed(request.requester, since.messages)
        return request

    def _may_have_news(self, follower: Follower, request: SyncRequest) -> bool:
        since = request.since
        assert since is not None
        if since.position < follower.since or follower.has_news_since(since.position):
            return True
        if self._presence.has_news(follower, request):
            return True
        if self._encryption.has_news(request.requester, since.position):
            return True
        if self._to_device.may_have_news(request.requester, since.messages):
            return True
        return any(
            room_nid in follower.rooms for room_nid in self._typing.rooms_since(since.typing)
        )

    async def _wait(
        self, follower: Follower, request: SyncRequest, deadline: float, token: SyncToken
    ) -> bool:
        """Until something moves for the user: True, or time is up: False."""
        left = deadline - self._clock.monotonic()
        if left <= 0:
            return False
        if follower.has_news_since(token.position) or self._typing.serial != token.typing:
            return True  # it came while the answer was made
        if self._encryption.has_news(request.requester, token.position):
            return True
        if self._to_device.may_have_news(request.requester, token.position):
            return True
        return await wait_for(self._clock, follower, left, request.requester.device_nid)

    async def _build(self, follower: Follower, request: SyncRequest, upto: int) -> _Answer:
        since = 0 if request.since is None else request.since.position
        whole = request.since is None or request.full_state
        answer = _Answer()
        personal = PersonalNews()
        if whole or since < follower.own or since < follower.since:
            personal = await personal_news(
                self._account_data,
                request.requester.user_nid,
                since,
                upto,
                everywhere=request.filter.account_data,
                in_rooms=request.filter.room_account_data,
                whole=whole,
            )
            answer.account_data = personal.account_data + await push_rule_news(
                self._push_rules,
                request.requester,
                0 if whole else since,
                everywhere=request.filter.account_data,
            )
            changed = await self._changed_memberships(request, since, upto, whole)
            answer.overtaken_by = max((row.since for row in changed if row.since > upto), default=0)
            changed = [row for row in changed if row.since <= upto]
        else:
            changed = []
        new = [row for row in changed if row.membership == Membership.JOIN]
        if new:
            if not whole:
                await self._add_older_account_data(personal, new, request, upto)
            answer.join += await self._joined.whole(new, request, upto, personal)
        answer.presence = await self._presence.news(follower, request, [r.room_nid for r in new])
        await self._add_encryption(answer, follower, request, upto)
        told = 0 if request.since is None else request.since.messages
        answer.to_device = await self._to_device.news(request.requester, told, upto)
        for row in changed:
            await self._add_elsewhere(answer, row, request, since, upto, personal)
        if not whole:
            seen = {row.room_nid for row in new}
            await self._add_touched(answer, follower, request, since, upto, personal, seen)
        return answer

    async def _add_encryption(
        self, answer: _Answer, follower: Follower, request: SyncRequest, upto: int
    ) -> None:
        since = None if request.since is None else request.since.position
        news = await self._encryption.news(follower, request.requester, since, upto)
        answer.encryption, answer.has_encryption_news = news.as_members(), news.has_news

    async def _add_older_account_data(
        self, personal: PersonalNews, new: list[MemberRow], request: SyncRequest, upto: int
    ) -> None:
        """What the user said of rooms that they joined, also if it was long ago."""
        of_rooms = (
            await personal_news(
                self._account_data,
                request.requester.user_nid,
                0,
                upto,
                everywhere=request.filter.account_data,
                in_rooms=request.filter.room_account_data,
            )
        ).of_rooms
        for row in new:
            if row.room_nid in of_rooms:
                personal.of_rooms[row.room_nid] = of_rooms[row.room_nid]

    async def _changed_memberships(
        self, request: SyncRequest, since: int, upto: int, whole: bool
    ) -> list[MemberRow]:
        """Memberships that began after a position; in a whole sync, all that a client is shown."""
        user_nid = request.requester.user_nid
        shown: list[Membership] = []
        if whole:
            shown = [Membership.JOIN, Membership.INVITE, Membership.KNOCK]
            if request.filter.include_leave:
                shown += [Membership.LEAVE, Membership.BAN]
            rows = await self._members.rooms_of(user_nid, shown)
            if request.since is not None:
                # All state is asked for, but what else is new is told as well.
                rows += [
                    row
                    for row in await self._members.changed_since(user_nid, since)
                    if Membership(row.membership) not in shown
                ]
        else:
            rows = [
                row
                for row in await self._members.changed_since(user_nid, since)
                if row.since > since or row.membership != Membership.JOIN
            ]
        breaks = Breaks(self._clock)
        rows = [row for row in rows if not row.forgotten]
        # Of an invite that is not wanted the client is not told, but of what came before it.
        before = await self._invite_permission.before_unwanted(user_nid, rows)
        told_until = self._database.position if request.since is None else since
        rows = [row for row in rows if row.room_nid not in before] + [
            row
            for row in before.values()
            if row is not None and (row.since > told_until or row.membership in shown)
        ]
        if not request.filter.room.lazy_members:
            rows = await self._whole_only(rows, user_nid, since, whole)
        await breaks.take()
        ids = await self._room_store.ids([row.room_nid for row in rows])
        await breaks.take()
        return [row for row in rows if self._is_wanted(request, ids[row.room_nid])]

    async def _whole_only(
        self, rows: list[MemberRow], user_nid: int, since: int, whole: bool
    ) -> list[MemberRow]:
        """For a client that wants all members: the rooms of which all are known.

        Those that have become so since are new to it.
        """
        partial = await self._partial_rooms.all()
        rows = [r for r in rows if r.room_nid not in partial or r.membership != Membership.JOIN]
        if whole:
            return rows
        seen = {row.room_nid for row in rows if row.since > since}
        completed = await self._partial_rooms.completed_since(user_nid, since)
        for room_nid in completed.keys() - seen:
            row = await self._members.get(user_nid, room_nid)
            if row is not None and not row.forgotten:
                rows.append(row._replace(since=completed[room_nid]))
        return rows

    async def _add_elsewhere(
        self,
        answer: _Answer,
        row: MemberRow,
        request: SyncRequest,
        since: int,
        upto: int,
        personal: PersonalNews,
    ) -> None:
        if row.membership == Membership.INVITE:
            answer.invite.append(await self._elsewhere.invited(row, request.requester.user_id))
        elif row.membership == Membership.KNOCK:
            answer.knock.append(await self._elsewhere.knocked(row, request.requester.user_id))
        elif row.membership != Membership.JOIN:
            # Of a room that was left before, a client wants to hear only if it wants all state.
            start = since if row.since > since else 0
            answer.leave.append(await self._elsewhere.left(row, request, start, upto, personal))

    async def _add_touched(
        self,
        answer: _Answer,
        follower: Follower,
        request: SyncRequest,
        since: int,
        upto: int,
        personal: PersonalNews,
        seen: set[int],
    ) -> None:
        """The joined rooms in which something moved, each once."""
        touched: dict[int, None] = {}
        if since < follower.since:
            user_nid = request.requester.user_nid
            touched.update(dict.fromkeys(await self._room_store.touched_since(user_nid, since)))
        touched.update(dict.fromkeys(follower.rooms_touched_since(since)))
        touched.update(dict.fromkeys(personal.of_rooms))
        typing_since = request.since.typing if request.since else 0
        touched.update(dict.fromkeys(self._typing.rooms_since(typing_since)))
        for room_nid in touched:
            if room_nid in seen or room_nid not in follower.rooms:
                continue
            room = await self._rooms.get_by_nid(room_nid)
            if not self._is_wanted(request, room.room_id):
                continue
            is_whole = not room.is_partial and room.whole_since <= upto
            if not is_whole and not request.filter.room.lazy_members:
                continue
            news = await self._joined.news(room, request, since, upto, personal)
            if news:
                answer.join.append(news)

    def _is_wanted(self, request: SyncRequest, room_id: str) -> bool:
        return room_id not in self._excluded_rooms and request.filter.wants_room(room_id)


def _with_commas(parts: list[bytes]) -> list[bytes]:
    found = [b","] * (2 * len(parts) - 1)
    found[::2] = parts
    return found
