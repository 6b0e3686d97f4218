"""The rooms in which users find the server's notices: one for each user, made when it is needed.

A room is committed at once with the facts that it is the user's notices room and has the tag by
which clients know it, so no stop of the server leaves one half-made, and no second one comes of
two notices at the same time. What may have changed since (the configuration, that the user left or
took the tag away) is put right before each notice.
"""

import logging
from typing import Any

import orjson

from synapse.api.constants import EventTypes, JoinRules, Membership
from synapse.api.room_versions import ROOM_VERSIONS, RoomVersion
from synapse.config.server_notices import ServerNoticesConfig
from synapse.events.event import Event
from synapse.handlers.membership import Memberships
from synapse.handlers.room_presets import PRESETS, new_room_id, power_levels, topic_content
from synapse.handlers.same_content import is_same_content
from synapse.handlers.tags import TAG, tags_in
from synapse.rooms.cache import RoomCache
from synapse.rooms.persister import NoticesRoomExists
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.server_notices import NOTICES_TAG, ServerNoticeStore
from synapse.storage.stores.users import NewUser, User, UserStore
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

_MODERATOR_LEVEL = 50
_State = dict[tuple[str, str], dict[str, Any]]


class NoticesRooms:
    """Makes notices rooms, and keeps them as the configuration says."""

    def __init__(
        self,
        store: ServerNoticeStore,
        users: UserStore,
        profiles: ProfileStore,
        account_data: AccountDataStore,
        memberships: Memberships,
        rooms: RoomCache,
        writer: RoomWriter,
        clock: Clock,
        config: ServerNoticesConfig,
        *,
        room_version: str,
        server_name: str,
    ) -> None:
        self._store = store
        self._users = users
        self._profiles = profiles
        self._account_data = account_data
        self._memberships = memberships
        self._rooms = rooms
        self._writer = writer
        self._clock = clock
        self._config = config
        self._version = ROOM_VERSIONS[room_version]
        self._server_name = server_name
        self._sender = f"@{config.system_mxid_localpart}:{server_name}"
        self._profile: dict[str, Any] = {
            key: value
            for key, value in (
                ("displayname", config.system_mxid_display_name),
                ("avatar_url", config.system_mxid_avatar_url),
            )
            if value is not None
        }
        self._sender_nid: int | None = None

    async def room_for(self, user: User) -> Room:
        """The user's notices room, with the user in it or invited to it."""
        sender_nid = await self._known_sender()
        room_id = await self._store.room_of(user.user_nid, sender_nid)
        if room_id is None:
            try:
                return await self._create(user)
            except NoticesRoomExists:
                room_id = await self._store.room_of(user.user_nid, sender_nid)
                assert room_id is not None, "it exists"
        room = await self._rooms.get(room_id)
        await self._update_state(room)
        await self._bring_in(room, user)
        await self._tag(room, user)
        return room

    # The user who sends them.

    async def _known_sender(self) -> int:
        """The number of the notices user, whose account is as it should be."""
        if self._sender_nid is None:
            account = NewUser(self._sender, password_hash=None, created_ms=self._clock.now_ms())
            sender_nid = await self._users.register(account) or await self._existing_account()
            profile = await self._profiles.profile(self._sender)
            wanted = {"displayname": None, "avatar_url": None, **self._profile}
            if any(profile.get(key) != value for key, value in wanted.items()):
                # Rooms are told when a notice is sent in them.
                await self._profiles.change(self._sender, wanted, to_spread=False)
            self._sender_nid = sender_nid
        return self._sender_nid

    async def _existing_account(self) -> int:
        user = await self._users.user(self._sender)
        assert user is not None, "its name was taken"
        if user.password_hash is not None:
            logger.warning(
                "%s had an account with a password. Now this user sends the server's notices, and "
                "nobody can log in as it",
                self._sender,
            )
        return user.user_nid

    # Making a room.

    async def _create(self, user: User) -> Room:
        """Raises `NoticesRoomExists` if somebody else was faster."""
        invite = await self._memberships.invitation(self._sender, user.user_id)
        drafts = [
            self._draft((EventTypes.CREATE, ""), _creation(self._sender, self._version)),
            self._draft((EventTypes.MEMBER, self._sender), self._own_member()),
            *(self._draft(slot, content) for slot, content in self._first_state().items()),
            self._draft((EventTypes.MEMBER, user.user_id), invite),
        ]
        if self._config.auto_join:
            drafts.append(await self._join(user))
        return await self._writer.create(
            self._version, drafts, new_room_id(self._server_name), notices_for=user.user_id
        )

    def _first_state(self) -> _State:
        """The room of somebody who is spoken to: all that they can do is to listen."""
        preset = PRESETS["private_chat"]
        levels = power_levels(self._version, self._sender, preset, [])
        levels |= {"events_default": _MODERATOR_LEVEL, "invite": _MODERATOR_LEVEL}
        return {
            (EventTypes.POWER_LEVELS, ""): levels,
            (EventTypes.JOIN_RULES, ""): {"join_rule": JoinRules.INVITE},
            (EventTypes.HISTORY_VISIBILITY, ""): {"history_visibility": preset.history_visibility},
            (EventTypes.GUEST_ACCESS, ""): {"guest_access": preset.guest_access},
            **{slot: content for slot, (content, is_set) in self._looks().items() if is_set},
        }

    # Keeping it right.

    async def _update_state(self, room: Room) -> None:
        wanted = {slot: content for slot, (content, _) in self._looks().items()}
        is_set = {slot: is_set for slot, (_, is_set) in self._looks().items()}
        wanted[EventTypes.MEMBER, self._sender] = self._own_member()
        current = await self._rooms.state(room, list(wanted))
        for slot, content in wanted.items():
            event = current.get(slot)
            if event is None and not is_set.get(slot, True):
                continue
            if event is None or not is_same_content(event, content):
                await self._say(room, self._draft(slot, content))

    async def _bring_in(self, room: Room, user: User) -> None:
        """Invite who has left, and join who is to be joined."""
        event = await self._rooms.current(room, EventTypes.MEMBER, user.user_id)
        membership = Membership.LEAVE if event is None else event.membership
        if membership not in (Membership.JOIN, Membership.INVITE):
            invite = await self._memberships.invitation(self._sender, user.user_id)
            await self._say(room, self._draft((EventTypes.MEMBER, user.user_id), invite))
        if membership != Membership.JOIN and self._config.auto_join:
            await self._say(room, await self._join(user))

    async def _tag(self, room: Room, user: User) -> None:
        def edit(stored: bytes | None) -> bytes | None:
            tags = tags_in(stored)
            if NOTICES_TAG in tags:
                return None
            return orjson.dumps({"tags": {**tags, NOTICES_TAG: {}}})

        if edit(await self._account_data.content(user.user_nid, room.room_id, TAG)) is not None:
            await self._account_data.edit(user.user_nid, room.room_id, TAG, edit)

    async def _say(self, room: Room, draft: Draft) -> None:
        """Send a state event, unless somebody else has just done so."""
        slot = (draft.type, draft.state_key or "")

        def unless(room: Room) -> Event | None:
            event = room.current(slot)
            return event if event is not None and is_same_content(event, draft.content) else None

        await self._writer.send(room.room_id, draft, unless=unless)

    # What is said.

    def _looks(self) -> dict[tuple[str, str], tuple[dict[str, Any], bool]]:
        """Name, topic and avatar: the content, and whether it is more than "none"."""
        name, topic, avatar = (
            self._config.room_name,
            self._config.room_topic,
            self._config.room_avatar_url,
        )
        return {
            (EventTypes.NAME, ""): ({"name": name or ""}, name is not None),
            (EventTypes.TOPIC, ""): (topic_content(topic or ""), topic is not None),
            (EventTypes.AVATAR, ""): ({"url": avatar} if avatar else {}, avatar is not None),
        }

    def _own_member(self) -> dict[str, Any]:
        return {**self._profile, "membership": Membership.JOIN}

    async def _join(self, user: User) -> Draft:
        content = await self._memberships.joining(user.user_id)
        return Draft(EventTypes.MEMBER, user.user_id, content, user.user_id)

    def _draft(self, slot: tuple[str, str], content: dict[str, Any]) -> Draft:
        return Draft(slot[0], self._sender, content, slot[1])


def _creation(sender: str, version: RoomVersion) -> dict[str, Any]:
    # What a server tells its users is not for others.
    content: dict[str, Any] = {"room_version": version.identifier, "m.federate": False}
    if not version.implicit_creator:
        content["creator"] = sender
    return content
