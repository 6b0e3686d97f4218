"""What we tell other servers of our users' devices and keys.

Devices without keys are not told: nobody can encrypt anything for them.
"""

from collections.abc import Mapping
from typing import Any

from synapse.api.errors import InvalidParam, NotFound
from synapse.api.identifiers import domain_of, is_user_id
from synapse.handlers.keys.local import LocalKeys
from synapse.handlers.keys.queries import claimed_json
from synapse.handlers.keys.requests import claims, wanted_devices
from synapse.storage.stores.device_changes import DeviceChanges
from synapse.storage.stores.device_keys import DeviceKeyStore
from synapse.storage.stores.users import UserStore


class ToldDevices:
    """Answers about them."""

    def __init__(
        self,
        users: UserStore,
        local: LocalKeys,
        store: DeviceKeyStore,
        changes: DeviceChanges,
        *,
        server_name: str,
        tells_names: bool,
    ) -> None:
        """`tells_names`: also how users call their devices."""
        self._users = users
        self._local = local
        self._store = store
        self._changes = changes
        self._server_name = server_name
        self._tells_names = tells_names

    async def of_user(self, user_id: str) -> dict[str, Any]:
        """A user's devices. Raises `InvalidParam` and `NotFound`."""
        if not is_user_id(user_id) or domain_of(user_id) != self._server_name:
            raise InvalidParam("Not a user of this server")
        user = await self._users.user(user_id)
        if user is None:
            raise NotFound("There is no such user")
        # Before they are read: what changes meanwhile is told again.
        stream_id = await self._changes.latest(user.user_nid)
        keys = await self._local.of({user_id: []}, with_names=self._tells_names)
        devices = keys.device_keys.get(user_id, {})
        answer: dict[str, Any] = {
            "user_id": user_id,
            "stream_id": stream_id,
            "devices": [shown(device_id, device) for device_id, device in devices.items()],
        }
        if user_id in keys.master_keys:
            answer["master_key"] = keys.master_keys[user_id]
        if user_id in keys.self_signing_keys:
            answer["self_signing_key"] = keys.self_signing_keys[user_id]
        return answer

    async def keys(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The identity keys of users' devices. Raises `BadJson`."""
        wanted = wanted_devices(asked, self._server_name)
        return (await self._local.of(wanted, with_names=self._tells_names)).to_json()

    async def claimed(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One-time keys of devices: each is told once. Raises `BadJson`."""
        claimed = await self._store.claim(claims(asked, self._server_name))
        return {"one_time_keys": claimed_json(claimed)}


def shown(device_id: str, device: dict[str, Any]) -> dict[str, Any]:
    """A device in the form in which servers tell of it: its name stands beside its keys."""
    keys = dict(device)
    name = keys.pop("unsigned", {}).get("device_display_name")
    told = {"device_id": device_id, "keys": keys}
    return told if name is None else {**told, "device_display_name": name}
