"""A user's devices, as they manage them."""

from typing import Any

from synapse.api.errors import InvalidParam, NotFound
from synapse.handlers.auth import Auth, Requester
from synapse.handlers.sessions import MAX_DISPLAY_NAME_LENGTH
from synapse.handlers.ui_auth import UiAuth
from synapse.http.json_body import JsonObject
from synapse.storage.stores.devices import Device, DeviceStore, Removal


class Devices:
    """Shows, renames and removes devices."""

    def __init__(self, store: DeviceStore, ui_auth: UiAuth, auth: Auth) -> None:
        self._store = store
        self._ui_auth = ui_auth
        self._auth = auth

    async def devices(self, requester: Requester) -> list[dict[str, Any]]:
        return [_shown(device) for device in await self._store.devices(requester.user_nid)]

    async def device(self, requester: Requester, device_id: str) -> dict[str, Any]:
        if "\0" not in device_id:
            device = await self._store.device(requester.user_nid, device_id)
            if device is not None:
                return _shown(device)
        raise NotFound("You have no such device")

    async def rename(self, requester: Requester, device_id: str, body: JsonObject) -> None:
        display_name = body.optional_string("display_name")
        if display_name is None:
            await self.device(requester, device_id)
            return
        if len(display_name) > MAX_DISPLAY_NAME_LENGTH or "\0" in display_name:
            raise InvalidParam(
                f"'display_name' has at most {MAX_DISPLAY_NAME_LENGTH} characters, and no NUL"
            )
        if "\0" in device_id or not await self._store.rename(
            requester.user_nid, device_id, display_name
        ):
            raise NotFound("You have no such device")

    async def remove(self, requester: Requester, device_ids: list[str], body: JsonObject) -> None:
        """Remove devices and end their sessions, once the user has confirmed it."""
        operation = f"remove {sorted(set(device_ids))} of"
        await self._ui_auth.confirm(requester, operation, body)
        existing = [device_id for device_id in device_ids if "\0" not in device_id]
        await self._store.remove(Removal(requester.user_nid, existing))
        self._auth.forget(requester.user_nid)


def _shown(device: Device) -> dict[str, Any]:
    """The specification's device object. Clients want the members that aren't known as null."""
    return {
        "device_id": device.device_id,
        "display_name": device.display_name,
        "last_seen_ip": device.last_seen_ip,
        "last_seen_ts": device.last_seen_ms,
    }
