"""The rooms that new accounts find themselves in (`auto_join_rooms`)."""

import logging

from synapse.api.constants import JoinRules
from synapse.api.errors import MatrixError, NotFound
from synapse.api.identifiers import domain_of, localpart_of
from synapse.config.registration import RegistrationConfig
from synapse.handlers.aliases import Aliases
from synapse.handlers.auth import Requester
from synapse.handlers.found_rooms import FoundRoom
from synapse.handlers.membership import Memberships
from synapse.handlers.room_creation import RoomCreation, RoomWish
from synapse.rooms.cache import RoomCache
from synapse.storage.stores.users import UserStore
from synapse.util.background import Background

logger = logging.getLogger(__name__)


class AutoJoin:
    """Brings new accounts into rooms, and makes the rooms if that is configured."""

    def __init__(
        self,
        users: UserStore,
        rooms: RoomCache,
        aliases: Aliases,
        memberships: Memberships,
        creation: RoomCreation,
        background: Background,
        config: RegistrationConfig,
        *,
        server_name: str,
    ) -> None:
        self._users = users
        self._rooms = rooms
        self._aliases = aliases
        self._memberships = memberships
        self._creation = creation
        self._background = background
        self._config = config
        self._server_name = server_name

    def registered(self, user_id: str, is_guest: bool) -> None:
        """A new account was made."""
        config = self._config
        if config.auto_join_rooms and (config.auto_join_rooms_for_guests or not is_guest):
            self._background.spawn("join a new user to rooms", self._join_all(user_id, is_guest))

    async def _join_all(self, user_id: str, is_guest: bool) -> None:
        requester = await self._as_requester(user_id, is_guest)
        for alias in self._config.auto_join_rooms:
            try:
                await self._join(requester, alias)
            except MatrixError as error:
                logger.warning("%s could not join %s: %s", user_id, alias, error)

    async def _join(self, requester: Requester, alias: str) -> None:
        try:
            found = await self._aliases.resolve(alias)
        except NotFound:
            if not self._may_create(alias):
                raise
            found = FoundRoom(await self._create(requester, alias), ())
        room_id = found.room_id
        inviter = self._config.auto_join_mxid_localpart
        if inviter is not None and await self._is_for_invited(room_id):
            host = await self._as_requester(f"@{inviter}:{self._server_name}", False)
            if host.user_id != requester.user_id:
                await self._memberships.invite(host, room_id, requester.user_id)
        await self._memberships.join(requester, room_id, servers=found.servers)

    def _may_create(self, alias: str) -> bool:
        is_alias_of_ours = alias.startswith("#") and domain_of(alias) == self._server_name
        return self._config.autocreate_auto_join_rooms and is_alias_of_ours

    async def _create(self, requester: Requester, alias: str) -> str:
        """Make the room, by the configured user or the first who registers."""
        config = self._config
        creator = requester
        if config.auto_join_mxid_localpart is not None:
            user_id = f"@{config.auto_join_mxid_localpart}:{self._server_name}"
            creator = await self._as_requester(user_id, False)
        wish = RoomWish(
            preset=config.autocreate_auto_join_room_preset,
            alias_localpart=localpart_of(alias),
        )
        if not config.autocreate_auto_join_rooms_federated:
            wish.creation_content["m.federate"] = False
        return await self._creation.create(creator, wish)

    async def _is_for_invited(self, room_id: str) -> bool:
        room = await self._rooms.get(room_id)
        rule = await self._rooms.current(room, "m.room.join_rules")
        return rule is None or rule.content.get("join_rule") != JoinRules.PUBLIC

    async def _as_requester(self, user_id: str, is_guest: bool) -> Requester:
        user = await self._users.user(user_id)
        if user is None:
            raise NotFound(f"There is no user {user_id}")
        return Requester(
            user_id=user_id,
            user_nid=user.user_nid,
            device_id=None,
            device_nid=0,
            token_id=0,
            is_guest=is_guest,
            is_admin=True,  # the server acts: no limits that are meant for users
        )
