"""`make_join`, `make_leave`, `make_knock`: what a user of another server would have to say.

Server-server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms". The template stands on
the room's newest events; whether the room would let the user in is said before anybody signs.
"""

from collections.abc import Sequence
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.api.errors import Forbidden, InvalidParam, MatrixError
from synapse.api.identifiers import domain_of, is_user_id
from synapse.api.room_versions import RoomVersion
from synapse.events.templates import template_of
from synapse.federation.residence import Residence
from synapse.federation.restricted import RemoteRestrictedJoins
from synapse.rooms.writer import Draft, RoomWriter


class Templates:
    """Makes templates of member events."""

    def __init__(
        self,
        residence: Residence,
        writer: RoomWriter,
        restricted: RemoteRestrictedJoins,
        *,
        server_name: str,
    ) -> None:
        self._residence = residence
        self._writer = writer
        self._restricted = restricted
        self._server_name = server_name

    async def join(
        self, origin: str, room_id: str, user_id: str, versions: Sequence[str]
    ) -> dict[str, Any]:
        """The answer to `make_join`; `versions` are the room versions that `origin` knows.

        Raises `NotFound`, `Forbidden`, 400 `M_INCOMPATIBLE_ROOM_VERSION`,
        `M_UNABLE_TO_AUTHORISE_JOIN` and `M_UNABLE_TO_GRANT_JOIN`.
        """
        _check_user(origin, user_id)
        room = await self._residence.room(origin, room_id)
        _check_version(room.version, versions)
        content = {"membership": Membership.JOIN}
        authoriser = await self._restricted.authoriser(room, user_id)
        if authoriser is not None:
            content["join_authorised_via_users_server"] = authoriser
        return await self._template(room_id, user_id, content)

    async def knock(
        self, origin: str, room_id: str, user_id: str, versions: Sequence[str]
    ) -> dict[str, Any]:
        """The answer to `make_knock`. Raises what `join` raises."""
        _check_user(origin, user_id)
        room = await self._residence.room(origin, room_id)
        _check_version(room.version, versions)
        return await self._template(room_id, user_id, {"membership": Membership.KNOCK})

    async def leave(self, origin: str, room_id: str, user_id: str) -> dict[str, Any]:
        """The answer to `make_leave`. Raises `NotFound` and `Forbidden`."""
        _check_user(origin, user_id)
        await self._residence.room(origin, room_id)
        return await self._template(room_id, user_id, {"membership": Membership.LEAVE})

    async def _template(
        self, room_id: str, user_id: str, content: dict[str, Any]
    ) -> dict[str, Any]:
        draft = Draft(EventTypes.MEMBER, user_id, content, state_key=user_id)
        proposal = await self._writer.propose(room_id, draft)
        return {
            "room_version": proposal.room.version.identifier,
            "event": {**template_of(proposal.event), "origin": self._server_name},
        }


def _check_user(origin: str, user_id: str) -> None:
    if not is_user_id(user_id):
        raise InvalidParam(f"Not a user id: {user_id[:255]!r}")
    if domain_of(user_id) != origin:
        raise Forbidden(f"{user_id} is not a user of {origin}")


def _check_version(version: RoomVersion, supported: Sequence[str]) -> None:
    if version.identifier not in supported:
        raise MatrixError(
            400,
            "M_INCOMPATIBLE_ROOM_VERSION",
            f"Your server does not support room version {version.identifier}",
            room_version=version.identifier,
        )
