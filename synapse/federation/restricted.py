"""Restricted rooms: whom of other servers' users we let in, and for whom we vouch.

Server-server API, "Restricted rooms". The rules are those of `synapse.handlers.restricted_joins`;
other servers are told more exactly than users why not, since they may ask elsewhere.
"""

from synapse.api.errors import MatrixError
from synapse.handlers.restricted_joins import CannotAuthorise, CannotGrant, RestrictedJoins
from synapse.rooms.room import Room


class RemoteRestrictedJoins:
    """Judges joins for other servers."""

    def __init__(self, restricted: RestrictedJoins) -> None:
        self._restricted = restricted

    async def authoriser(self, room: Room, user_id: str) -> str | None:
        """The user of ours who vouches for a join; None if the join needs nobody.

        Raises `Forbidden`, 400 `M_UNABLE_TO_AUTHORISE_JOIN` and `M_UNABLE_TO_GRANT_JOIN`.
        """
        try:
            return await self._restricted.authoriser(room, user_id)
        except CannotAuthorise as error:
            raise MatrixError(400, "M_UNABLE_TO_AUTHORISE_JOIN", error.message) from None
        except CannotGrant as error:
            raise MatrixError(400, "M_UNABLE_TO_GRANT_JOIN", error.message) from None
