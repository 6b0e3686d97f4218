"""Joining with an invitation by e-mail: the invitee proves that the address is theirs.

The identity server has signed "this user may use the invitation with that token". Once this server
has checked that against the keys of the `m.room.third_party_invite`, it invites the user in the
name of who invited the address; then the user joins as anybody does who is invited. The auth rules
check the signature again, here and on all other servers; only here it is asked whether the key
still counts (`key_validity_url`).
"""

from typing import Any

from synapse.api.constants import EventTypes, JoinRules, Membership
from synapse.api.errors import Forbidden, MatrixError
from synapse.api.identifiers import domain_of
from synapse.events.auth_rules.third_party_invite import SigningKey, signing_key
from synapse.handlers.elsewhere import Elsewhere
from synapse.handlers.identity_server import IdentityClient, is_valid_key
from synapse.rooms.cache import RoomCache
from synapse.rooms.room import Room
from synapse.rooms.writer import Draft, RoomWriter
from synapse.storage.stores.users import UserStore


class ThirdPartyJoins:
    """Exchanges invitations of addresses for invitations of users."""

    def __init__(
        self,
        rooms: RoomCache,
        writer: RoomWriter,
        users: UserStore,
        client: IdentityClient | None,
        elsewhere: Elsewhere,
        *,
        server_name: str,
    ) -> None:
        self._rooms = rooms
        self._writer = writer
        self._users = users
        self._client = client
        self._elsewhere = elsewhere
        self._server_name = server_name

    async def exchange(
        self, user_id: str, room: Room, signed: dict[str, Any], *, sender: Any
    ) -> None:
        """Invite a user who has shown `third_party_signed`, unless anybody may join.

        The inviter may be of another server, since it is the identity server's signature that
        counts; and so may the user, whose server then has to sign as well. `sender`
        is who is said to have sent the invitation.

        Raises `Forbidden`, and 403 `M_THREEPID_AUTH_FAILED` if the key doesn't count.
        """
        rules = await self._rooms.current(room, EventTypes.JOIN_RULES)
        if rules is not None and rules.content.get("join_rule") == JoinRules.PUBLIC:
            return
        token = signed.get("token")
        invitation = None
        if isinstance(token, str) and signed.get("mxid") == user_id:
            invitation = await self._rooms.current(room, EventTypes.THIRD_PARTY_INVITE, token)
        if invitation is None or sender != invitation.sender:
            raise _no_invitation()
        key = signing_key(signed, invitation)
        if key is None:
            raise _no_invitation()
        await self._check_inviter(invitation.sender)
        await self._check_counts(key)
        signed = {name: value for name, value in signed.items() if name != "unsigned"}
        content = {
            "membership": Membership.INVITE,
            "third_party_invite": {
                "display_name": invitation.content.get("display_name"),
                "signed": signed,
            },
        }
        draft = Draft(EventTypes.MEMBER, invitation.sender, content, state_key=user_id)
        if domain_of(user_id) == self._server_name:
            await self._writer.send(room.room_id, draft)
        else:
            await self._elsewhere.invite(room.room_id, draft)

    async def _check_inviter(self, sender: str) -> None:
        if domain_of(sender) != self._server_name:
            return
        user = await self._users.user(sender)
        if user is None or user.is_deactivated:
            raise _no_invitation()

    async def _check_counts(self, key: SigningKey) -> None:
        url = key.validity_url
        if url is None:
            return
        if self._client is None or not await is_valid_key(self._client(), url, key.public_key):
            raise MatrixError(
                403,
                "M_THREEPID_AUTH_FAILED",
                "The identity server doesn't say that the key of this invitation is valid",
            )


def _no_invitation() -> Forbidden:
    # The same for everything that may be wrong: a token must not be found by trying.
    return Forbidden("There is no such third-party invitation for you in this room")
