"""What we tell other servers of our users' devices and keys.

Until there are keys, devices are told without: whoever encrypts for them finds that none can read.
"""

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import BadJson, InvalidParam, NotFound
from synapse.api.identifiers import domain_of, is_user_id
from synapse.storage.database import Database
from synapse.storage.stores.devices import Device, DeviceStore
from synapse.storage.stores.users import UserStore

_MAX_USERS = 1_000


class ToldDevices:
    """Answers about them."""

    def __init__(
        self,
        users: UserStore,
        devices: DeviceStore,
        database: Database,
        *,
        server_name: str,
        tells_names: bool,
    ) -> None:
        """`tells_names`: also how users call their devices."""
        self._users = users
        self._devices = devices
        self._database = database
        self._server_name = server_name
        self._tells_names = tells_names

    async def of_user(self, user_id: str) -> dict[str, Any]:
        """A user's devices. Raises `InvalidParam` and `NotFound`."""
        if not self._is_ours(user_id):
            raise InvalidParam("Not a user of this server")
        # Before they are read: what changes meanwhile has a later position.
        position = self._database.position
        user = await self._users.user(user_id)
        if user is None:
            raise NotFound("There is no such user")
        devices = await self._devices.devices(user.user_nid)
        return {
            "user_id": user_id,
            "stream_id": position,
            "devices": [self._shown(user_id, device) for device in devices],
        }

    def keys(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The identity keys of users' devices. Raises `BadJson`."""
        self._check(asked, list)
        return {"device_keys": {user_id: {} for user_id in asked}}

    def claimed(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One-time keys of devices: each is told once. Raises `BadJson`."""
        self._check(asked, dict)
        return {"one_time_keys": {}}

    def _check(self, asked: Mapping[str, Any], kind: type) -> None:
        if len(asked) > _MAX_USERS:
            raise BadJson(f"At most {_MAX_USERS} users can be asked about")
        for user_id, devices in asked.items():
            if not self._is_ours(user_id) or not isinstance(devices, kind):
                raise BadJson(f"{user_id[:255]!r} is not asked about as it should be")

    def _is_ours(self, user_id: str) -> bool:
        return is_user_id(user_id) and domain_of(user_id) == self._server_name

    def _shown(self, user_id: str, device: Device) -> dict[str, Any]:
        keys = {
            "user_id": user_id,
            "device_id": device.device_id,
            "algorithms": [],
            "keys": {},
            "signatures": {},
        }
        shown: dict[str, Any] = {"device_id": device.device_id, "keys": keys}
        if self._tells_names and device.display_name is not None:
            shown["device_display_name"] = device.display_name
        return shown
