"""Profiles of users, and the way of our users' names and avatars into rooms."""

import logging
import re
from typing import Any, Protocol

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

# What rooms are told; all other fields stand in the profile alone.
_SPREAD = ("displayname", "avatar_url")
_MAX_KEY_BYTES = 255
# Appendices, "Common Namespaced Identifier Grammar": to be in a namespace is advice, no rule.
_KEY = re.compile(r"[a-z][a-z0-9_.-]*", re.ASCII)


class RemoteProfiles(Protocol):
    """Asks other servers."""

    async def profile(self, user_id: str) -> dict[str, Any]:
        """All fields of a user's profile. Raises `MatrixError`."""
        ...


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
        remote: RemoteProfiles,
        *,
        limit: RateLimiter,
        server_name: str,
        only_in_common_rooms: bool,
    ) -> None:
        """`only_in_common_rooms`: profiles are shown to those who share a room with the user."""
        self._store = store
        self._users = users
        self._members = members
        self._memberships = memberships
        self._background = background
        self._config = config
        self._remote = remote
        self._limit = limit
        self._server_name = server_name
        self._only_in_common_rooms = only_in_common_rooms
        # Users whose rooms are being told, and whether their profile has changed since.
        self._spreading: dict[int, bool] = {}

    async def get(self, reader: Requester | None, user_id: str) -> dict[str, Any]:
        """All fields; `reader` is None for one who didn't have to log in.

        Raises `InvalidParam`, `NotFound` for who is unknown, `Forbidden` if the reader may see
        nothing, not even whether the user exists, and 502 if the user's server doesn't answer.
        """
        if not is_user_id(user_id):
            raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
        if self._only_in_common_rooms and not await self._share_room(reader, user_id):
            raise Forbidden("You may see the profiles of those only with whom you share a room")
        if domain_of(user_id) != self._server_name:
            return await self._remote.profile(user_id)
        return await self.of_ours(user_id)

    async def of_ours(self, user_id: str) -> dict[str, Any]:
        """All fields of a user of this server, for everybody. Raises `NotFound`."""
        if domain_of(user_id) != self._server_name or await self._users.user(user_id) is None:
            raise NotFound("Profile not found")
        return await self._store.profile(user_id)

    async def field(self, reader: Requester | None, user_id: str, name: str) -> Any:
        """One field. Raises what `get` raises, and `NotFound` if it is not set."""
        profile = await self.get(reader, user_id)
        if name not in profile:
            raise NotFound(f"The profile has no {name[:100]}")
        return profile[name]

    async def set(self, requester: Requester, user_id: str, name: str, value: Any) -> None:
        """Set a field. "" or None removes a name or an avatar.

        The user's rooms are told of these two in the background.
        """
        self._check_may_change(requester, user_id, name)
        if name in _SPREAD:
            value = value or None if isinstance(value, str) else value
            _check_spread_value(name, value)
        elif value is None:
            raise InvalidParam("A field can't be null; DELETE removes it")
        elif name == "m.tz" and not isinstance(value, str):
            raise BadJson("m.tz must be a string")
        await self._change(requester, name, value)

    async def remove(self, requester: Requester, user_id: str, name: str) -> None:
        """Remove a field, if it is there."""
        self._check_may_change(requester, user_id, name)
        await self._change(requester, name, None)

    async def _change(self, requester: Requester, name: str, value: Any) -> None:
        self._limit.check(requester.user_id)
        await self._store.change(requester.user_id, {name: value}, to_spread=name in _SPREAD)
        if name in _SPREAD:
            self._start_spreading(requester.user_id, requester.user_nid)

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

    async def _share_room(self, reader: Requester | None, user_id: str) -> bool:
        if reader is None:
            return False
        return reader.user_id == user_id or await self._members.share_room(reader.user_nid, user_id)

    def _check_may_change(self, requester: Requester, user_id: str, name: str) -> None:
        if user_id != requester.user_id:
            raise Forbidden("You can't change the profile of somebody else")
        if len(name.encode()) > _MAX_KEY_BYTES:
            raise MatrixError(
                400, "M_KEY_TOO_LARGE", f"A profile field's name has at most {_MAX_KEY_BYTES} bytes"
            )
        if not _KEY.fullmatch(name):
            raise InvalidParam(f"Not a name of a profile field: {name!r}")
        forbidden = {
            "displayname": not self._config.enable_set_displayname,
            "avatar_url": not self._config.enable_set_avatar_url,
        }
        if forbidden.get(name, False) and not requester.is_admin:
            raise Forbidden(f"Changing {name} has been disabled on this server")

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
            if error.is_ours:
                raise  # the next start of the server tries again
            logger.info("The room %d does not take %s's profile: %s", room_nid, user_id, error)


def _check_spread_value(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise BadJson(f"{name} must be a string")
    if name == "displayname" and len(value or "") > _MAX_DISPLAYNAME_CHARACTERS:
        raise InvalidParam(f"A displayname has at most {_MAX_DISPLAYNAME_CHARACTERS} characters")
    if name == "avatar_url" and len((value or "").encode()) > _MAX_AVATAR_URL_BYTES:
        raise InvalidParam(f"An avatar_url has at most {_MAX_AVATAR_URL_BYTES} bytes")
