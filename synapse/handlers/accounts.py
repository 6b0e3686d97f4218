"""What users do with their account: change the password, close it."""

import logging
from typing import Protocol

from synapse.api.errors import Forbidden
from synapse.config.passwords import PasswordConfig
from synapse.handlers.auth import Requester
from synapse.handlers.passwords import Passwords
from synapse.handlers.sessions import Sessions
from synapse.handlers.ui_auth import UiAuth
from synapse.http.json_body import JsonObject
from synapse.storage.stores.cross_signing import CrossSigningStore
from synapse.storage.stores.users import Deactivation, UserStore
from synapse.util.background import Background

logger = logging.getLogger(__name__)


class Leaver(Protocol):
    """What takes a user out of rooms."""

    async def leave_all_rooms(self, user_id: str) -> None:
        """Leave what they are in, and reject their invites and knocks."""


class Accounts:
    """Changes and closes accounts."""

    def __init__(
        self,
        users: UserStore,
        passwords: Passwords,
        sessions: Sessions,
        ui_auth: UiAuth,
        cross_signing: CrossSigningStore,
        leaver: Leaver,
        background: Background,
        config: PasswordConfig,
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._sessions = sessions
        self._ui_auth = ui_auth
        self._cross_signing = cross_signing
        self._leaver = leaver
        self._background = background
        self.can_change_password = config.enabled and config.localdb_enabled

    async def change_password(self, requester: Requester, body: JsonObject) -> None:
        """Ends the user's other sessions, too, unless the client wants to keep them."""
        new_password = body.string("new_password")
        logout_devices = body.optional_boolean("logout_devices", True)
        if not self.can_change_password:
            raise Forbidden("Passwords can't be changed on this server")
        self._passwords.require_acceptable(new_password)
        await self._ui_auth.confirm(requester, "change password", body)
        password_hash = await self._passwords.hash(new_password)
        await self._users.set_password_hash(requester.user_nid, password_hash)
        if logout_devices:
            await self._sessions.end_all(requester.user_nid, but=requester)

    async def deactivate(self, requester: Requester, body: JsonObject) -> None:
        """Close the requester's account for good."""
        erase = body.optional_boolean("erase")
        body.optional_string("id_server")
        await self._ui_auth.confirm(requester, "deactivate", body)
        await self._users.deactivate(Deactivation(requester.user_nid, erase))
        await self._sessions.end_all(requester.user_nid)
        await self._cross_signing.forget(requester.user_nid)
        self._leave_rooms(requester.user_nid, requester.user_id)

    async def resume(self) -> None:
        """At start: go on with the leaving that the last stop of the server interrupted."""
        for user_nid, user_id in await self._users.unfinished_deactivations():
            logger.info("Resuming the deactivation of %s", user_id)
            self._leave_rooms(user_nid, user_id)

    def _leave_rooms(self, user_nid: int, user_id: str) -> None:
        self._background.spawn(f"leave rooms of {user_id}", self._leave(user_nid, user_id))

    async def _leave(self, user_nid: int, user_id: str) -> None:
        await self._leaver.leave_all_rooms(user_id)
        await self._users.left_rooms(user_nid)
