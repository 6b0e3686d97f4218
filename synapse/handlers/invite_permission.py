"""Who may be invited: users can refuse all invites (client-server API, "Invite permission")."""

import orjson

from synapse.api.errors import MatrixError
from synapse.api.identifiers import domain_of
from synapse.storage.stores.account_data import AccountDataStore
from synapse.storage.stores.names import Names

# The account data that says so, and its name while it was a proposal (MSC4380).
_TYPES = ("m.invite_permission_config", "org.matrix.msc4380.invite_permission_config")


class InviteBlocked(MatrixError):
    """403 `M_INVITE_BLOCKED`."""

    def __init__(self, user_id: str) -> None:
        super().__init__(403, "M_INVITE_BLOCKED", f"{user_id} doesn't want to be invited")


class InvitePermission:
    """Knows who wants no invites."""

    def __init__(self, account_data: AccountDataStore, names: Names, *, server_name: str) -> None:
        self._account_data = account_data
        self._names = names
        self._server_name = server_name

    async def check(self, user_id: str) -> None:
        """Raises `InviteBlocked` if the user is one of ours who wants no invites."""
        if domain_of(user_id) != self._server_name:
            return
        user_nid = await self._names.nid(user_id)
        if user_nid is not None and await self.blocks_all(user_nid):
            raise InviteBlocked(user_id)

    async def blocks_all(self, user_nid: int) -> bool:
        """Whether one of our users wants no invites."""
        for type in _TYPES:
            content = await self._account_data.content(user_nid, None, type)
            if content is not None:
                return bool(orjson.loads(content).get("default_action") == "block")
        return False
