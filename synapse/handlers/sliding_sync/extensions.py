"""Extensions: what a client gets beside the rooms (MSC3884, 3885, 3959, 3960, 3961, 4308)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from synapse.events.filtering import EventFilter
from synapse.handlers.key_counts import as_json
from synapse.handlers.push_rules import PushRules
from synapse.handlers.sliding_sync.connections import Told
from synapse.handlers.sliding_sync.request import (
    THREADS,
    TO_DEVICE,
    ExtensionConfig,
    SlidingRequest,
)
from synapse.handlers.sliding_sync.required_state import ANY
from synapse.handlers.sliding_sync.room_list import RoomList
from synapse.handlers.sliding_sync.windows import Windows
from synapse.handlers.sync.encryption import EncryptionInSync
from synapse.handlers.sync.ephemeral import Ephemeral, receipt_event
from synapse.handlers.sync.personal import PersonalNews, personal_news, push_rule_news
from synapse.handlers.sync.to_device import MOST_MESSAGES, ToDevice
from synapse.handlers.thread_subscriptions import ThreadSubscriptions
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.receipts import ReceiptStore
from synapse.streams.followers import Follower
from synapse.streams.tokens import SyncToken

_ALL = EventFilter.compile({}, 0, 0)
_RECEIPTS = EventFilter.compile({"types": ["m.receipt"]}, 0, 0)
_TYPING = EventFilter.compile({"types": ["m.typing"]}, 0, 0)
# Of an answer: the rooms told from the beginning, with the events of their timelines.
NewRooms = Mapping[int, frozenset[str]]


@dataclass(slots=True)
class Extra:
    """The extensions' part of an answer."""

    parts: dict[str, Any] = field(default_factory=dict)
    has_news: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What the extensions of an answer are about."""

    request: SlidingRequest
    rooms: RoomList
    windows: Windows
    told: Told
    new_rooms: NewRooms
    token: SyncToken

    @property
    def since(self) -> int:
        return 0 if self.told.token is None else self.told.token.position

    def joined(self, config: ExtensionConfig) -> list[int]:
        """The joined rooms that an extension is wanted for."""
        entries = self.rooms.entries
        return [nid for nid in self.relevant(config) if nid in entries and entries[nid].is_joined]

    def relevant(self, config: ExtensionConfig) -> set[int]:
        windows = self.windows
        lists = windows.of_lists if ANY in config.lists else config.lists
        found = {nid for name in lists for nid in windows.of_lists.get(name, ())}
        subscribed = self.request.subscriptions
        for room_id in subscribed if ANY in config.rooms else config.rooms:
            entry = self.rooms.named(room_id)
            if room_id in subscribed and entry is not None:
                found.add(entry.row.room_nid)
        return found & windows.configs.keys()


class Extensions:
    """Makes the extensions' parts."""

    def __init__(
        self,
        account_data: AccountDataStore,
        push_rules: PushRules,
        receipts: ReceiptStore,
        ephemeral: Ephemeral,
        thread_subscriptions: ThreadSubscriptions,
        encryption: EncryptionInSync,
        to_device: ToDevice,
    ) -> None:
        self._account_data = account_data
        self._push_rules = push_rules
        self._receipts = receipts
        self._ephemeral = ephemeral
        self._thread_subscriptions = thread_subscriptions
        self._encryption = encryption
        self._to_device = to_device

    def may_have_messages(self, request: SlidingRequest, since: int) -> bool:
        """Whether there are messages to tell to a device that wants them."""
        is_wanted = TO_DEVICE in request.extensions
        return is_wanted and self._to_device.may_have_news(request.requester, since)

    async def extra(self, scope: Scope, follower: Follower) -> Extra:
        extra = Extra()
        wanted = scope.request.extensions
        if (config := wanted.get(TO_DEVICE)) is not None:
            await self._add_messages(extra, scope, config)
        if "e2ee" in wanted:
            await self._add_encryption(extra, scope, follower)
        if (config := wanted.get(THREADS)) is not None:
            await self._add_threads(extra, scope, config, follower)
        if (config := wanted.get("account_data")) is not None:
            await self._add_account_data(extra, scope, config, follower)
        if (config := wanted.get("receipts")) is not None:
            _add(extra, "receipts", await self._receipts_of(scope, config, follower))
        if (config := wanted.get("typing")) is not None:
            _add(extra, "typing", await self._typing_of(scope, config))
        return extra

    async def _add_encryption(self, extra: Extra, scope: Scope, follower: Follower) -> None:
        token = scope.told.token
        since, upto = None if token is None else token.position, scope.token.position
        news = await self._encryption.news(follower, scope.request.requester, since, upto)
        lists = {"changed": news.lists.changed, "left": news.lists.left}
        extra.parts["e2ee"] = {"device_lists": lists, **as_json(news.counts)}
        extra.has_news |= news.has_news

    async def _add_messages(self, extra: Extra, scope: Scope, config: ExtensionConfig) -> None:
        """These have a token of their own, by which the client confirms them."""
        requester, limit = scope.request.requester, min(config.limit, MOST_MESSAGES)
        upto = scope.token.position
        # One from the future, from before a backup was restored, confirms nothing.
        since = 0 if config.since is None or config.since > upto else config.since
        await self._to_device.confirmed(requester, since)
        news = await self._to_device.news(requester, since, upto, limit)
        told = upto if news.told_up_to is None else news.told_up_to
        extra.parts[TO_DEVICE] = {
            "next_batch": str(SyncToken(told, 0)),
            "events": [orjson.Fragment(event) for event in news.events],
        }
        extra.has_news |= bool(news.events)

    async def _add_threads(
        self, extra: Extra, scope: Scope, config: ExtensionConfig, follower: Follower
    ) -> None:
        since, upto = scope.since, scope.token.position
        extra.parts[THREADS] = {}
        if since and since >= max(follower.own, follower.since):
            return
        changes = await self._thread_subscriptions.changes(
            scope.request.requester, since, upto, config.limit
        )
        if changes.is_empty:
            return
        extra.parts[THREADS] = changes.to_json("prev_batch")
        extra.has_news = True

    async def _add_account_data(
        self, extra: Extra, scope: Scope, config: ExtensionConfig, follower: Follower
    ) -> None:
        since, everywhere = scope.since, PersonalNews()
        if since == 0 or since < follower.own or since < follower.since:
            everywhere = await self._personal(scope, since)
            everywhere.account_data += await push_rule_news(
                self._push_rules, scope.request.requester, since, everywhere=_ALL
            )
        relevant = scope.relevant(config)
        of_rooms = {nid: data for nid, data in everywhere.of_rooms.items() if nid in relevant}
        # Rooms that came into a window only now: what was said of them, whenever that was.
        entered = relevant - scope.told.shown
        if entered and since:
            older = (await self._personal(scope, 0)).of_rooms
            of_rooms |= {nid: older[nid] for nid in entered if nid in older}
        extra.parts["account_data"] = {
            "global": [orjson.Fragment(event) for event in everywhere.account_data],
            "rooms": {
                scope.rooms.entries[nid].room_id: [orjson.Fragment(event) for event in data]
                for nid, data in of_rooms.items()
            },
        }
        extra.has_news |= bool(everywhere.account_data or of_rooms)

    async def _personal(self, scope: Scope, since: int) -> PersonalNews:
        user_nid = scope.request.requester.user_nid
        return await personal_news(
            self._account_data,
            user_nid,
            since,
            scope.token.position,
            everywhere=_ALL,
            in_rooms=_ALL,
        )

    async def _receipts_of(
        self, scope: Scope, config: ExtensionConfig, follower: Follower
    ) -> dict[str, Any]:
        user_id, upto = scope.request.requester.user_id, scope.token.position
        relevant = scope.joined(config)
        whole = [nid for nid in relevant if nid in scope.new_rooms]
        found = await self._receipts_of_new(scope, whole, user_id, upto)
        going_on = set(relevant) - set(whole)
        entered = going_on - scope.told.shown
        moved = going_on - entered
        if scope.since >= follower.since:
            moved &= set(follower.rooms_touched_since(scope.since))
        since_of = dict.fromkeys(moved, scope.since)
        since_of |= {nid: scope.told.rooms[nid].upto for nid in entered if nid in scope.told.rooms}
        for room_nid, since in since_of.items():
            for event in await self._ephemeral.news(
                room_nid, user_id, since, upto, scope.token.typing, _RECEIPTS
            ):
                found[scope.rooms.entries[room_nid].room_id] = orjson.Fragment(event)
        return found

    async def _receipts_of_new(
        self, scope: Scope, room_nids: list[int], user_id: str, upto: int
    ) -> dict[str, Any]:
        """The user's own receipts, and those for events that the client is shown."""
        by_room: dict[int, list[Any]] = {}
        for receipt in await self._receipts.since(room_nids, 0) if room_nids else ():
            is_shown = receipt.event_id in scope.new_rooms[receipt.room_nid]
            if receipt.stream <= upto and (is_shown or receipt.user_id == user_id):
                by_room.setdefault(receipt.room_nid, []).append(receipt)
        found: dict[str, Any] = {}
        for room_nid, receipts in by_room.items():
            event = receipt_event(receipts, user_id)
            if event is not None:
                found[scope.rooms.entries[room_nid].room_id] = orjson.Fragment(event)
        return found

    async def _typing_of(self, scope: Scope, config: ExtensionConfig) -> dict[str, Any]:
        found: dict[str, Any] = {}
        serial = 0 if scope.told.token is None else scope.told.token.typing
        for room_nid in scope.joined(config):
            events: Iterable[bytes] = ()
            if room_nid not in scope.told.shown:
                if self._ephemeral.is_anyone_typing(room_nid):
                    events = self._ephemeral.typing(room_nid, _TYPING)
            elif self._ephemeral.typing_changed(room_nid, serial):
                events = self._ephemeral.typing(room_nid, _TYPING)
            for event in events:
                found[scope.rooms.entries[room_nid].room_id] = orjson.Fragment(event)
        return found


def _add(extra: Extra, name: str, rooms: dict[str, Any]) -> None:
    extra.parts[name] = {"rooms": rooms}
    extra.has_news |= bool(rooms)
