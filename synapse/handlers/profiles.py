"""Profiles: display names and avatars of this server's users, and their way into rooms."""

import logging
from typing import Any

from synapse.api.errors import BadJson, Forbidden, InvalidParam, MatrixError, NotFound
from synapse.api.identifiers import domain_of, is_user_id
from synapse.config.registration import RegistrationConfig
from synapse.handlers.auth import Requester
from synapse.handlers.membership import Memberships
from synapse.handlers.ratelimits import RateLimiter
from synapse.storage.stores.members import Membership, MemberStore
from synapse.storage.stores.profiles import ProfileStore
from synapse.storage.stores.users import UserStore
from synapse.util.background import Background

logger = logging.getLogger(__name__)

# Client-server API, "Profiles": limits of the fields; a name beyond this is no name.
_MAX_DISPLAYNAME_CHARACTERS = 256
_MAX_AVATAR_URL_BYTES = 1000

FIELDS = ("displayname", "avatar_url")


class Profiles:
    """Reads and changes profiles."""

    def __init__(
        self,
        store: ProfileStore,
        users: UserStore,
        members: MemberStore,
        memberships: Memberships,
        background: Background,
        config: RegistrationConfig,
        *,
        limit: RateLimiter,
        server_name: str,
    ) -> None:
        self._store = store
        self._users = users
        self._members = members
        self._memberships = memberships
        self._background = background
        self._config = config
        self._limit = limit
        self._server_name = server_name
        # Users whose rooms are being told, and whether their profile has changed since.
        self._spreading: dict[int, bool] = {}

    async def get(self, user_id: str) -> dict[str, Any]:
        """All fields. Raises `InvalidParam`, and `NotFound` for who is unknown here."""
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        if domain_of(user_id) != self._server_name or await self._users.user(user_id) is None:
            raise NotFound("Profile not found")
        return await self._store.profile(user_id)

    async def field(self, user_id: str, name: str) -> Any:
        """One field. Raises `NotFound` if it is not set."""
        profile = await self.get(user_id)
        if name not in profile:
            raise NotFound(f"The profile has no {name[:100]}")
        return profile[name]

    async def set(self, requester: Requester, user_id: str, name: str, value: Any) -> None:
        """Set a field, or remove it by None or "". The user's rooms are told in the background."""
        if user_id != requester.user_id:
            raise Forbidden("You can't change the profile of somebody else")
        self._check(requester, name, value)
        self._limit.check(requester.user_id)
        await self._store.change(user_id, {name: value or None})
        self._start_spreading(user_id, requester.user_nid)

    async def resume(self) -> None:
        """At start: tell the rooms that the last stop of the server kept from being told."""
        for user_nid, user_id in await self._store.unspread():
            self._start_spreading(user_id, user_nid)

    def _start_spreading(self, user_id: str, user_nid: int) -> None:
        if user_nid in self._spreading:
            self._spreading[user_nid] = True
        else:
            self._spreading[user_nid] = False
            self._background.spawn("spread a profile", self._spread(user_id, user_nid))

    def _check(self, requester: Requester, name: str, value: Any) -> None:
        if name not in FIELDS:
            raise MatrixError(400, "M_INVALID_PARAM", f"Unknown profile field: {name[:100]!r}")
        allowed = {
            "displayname": self._config.enable_set_displayname,
            "avatar_url": self._config.enable_set_avatar_url,
        }
        if not allowed[name] and not requester.is_admin:
            raise Forbidden(f"Changing {name} has been disabled on this server")
        if value is not None and not isinstance(value, str):
            raise BadJson(f"{name} must be a string")
        if name == "displayname" and len(value or "") > _MAX_DISPLAYNAME_CHARACTERS:
            raise InvalidParam(
                f"A displayname has at most {_MAX_DISPLAYNAME_CHARACTERS} characters"
            )
        if name == "avatar_url" and len((value or "").encode()) > _MAX_AVATAR_URL_BYTES:
            raise InvalidParam(f"An avatar_url has at most {_MAX_AVATAR_URL_BYTES} bytes")

    async def _spread(self, user_id: str, user_nid: int) -> None:
        """Tell the user's rooms, one after the other; again if the profile changes meanwhile."""
        try:
            while True:
                self._spreading[user_nid] = False
                for row in await self._members.rooms_of(user_nid, [Membership.JOIN]):
                    await self._tell(user_id, row.room_nid)
                if self._spreading[user_nid]:
                    continue
                await self._store.spread(user_nid)
                if not self._spreading[user_nid]:
                    return
        finally:
            del self._spreading[user_nid]

    async def _tell(self, user_id: str, room_nid: int) -> None:
        try:
            await self._memberships.update_profile(user_id, room_nid)
        except MatrixError as error:
            if error.status >= 500:
                raise  # the next start of the server tries again
            logger.info("The room %d does not take %s's profile: %s", room_nid, user_id, error)
