"""A user's cross-signing keys (`/keys/device_signing/upload`)."""

from typing import Any

import orjson

from synapse.api.errors import Forbidden, MissingParam
from synapse.handlers.auth import Requester
from synapse.handlers.keys.published import (
    cross_signing_key_of,
    require_signature,
    unsigned_json,
)
from synapse.handlers.ui_auth import UiAuth
from synapse.http.json_body import JsonObject
from synapse.storage.stores.cross_signing import (
    CrossSigningKey,
    CrossSigningStore,
    KeySet,
    NewKeySet,
    Usage,
)
from synapse.storage.stores.devices import DeviceStore

_NAMES = {
    "master_key": Usage.MASTER,
    "self_signing_key": Usage.SELF_SIGNING,
    "user_signing_key": Usage.USER_SIGNING,
}
# Another client of the user may have been faster.
_TRIES = 3


class CrossSigning:
    """Takes cross-signing keys from clients."""

    def __init__(self, store: CrossSigningStore, devices: DeviceStore, ui_auth: UiAuth) -> None:
        self._store = store
        self._devices = devices
        self._ui_auth = ui_auth

    async def upload(self, requester: Requester, body: JsonObject) -> None:
        """Whoever has none may publish a first set, and anybody the same once more. To put other
        keys in their place, users have to confirm who they are."""
        raw = {name: body.optional_object(name) for name in _NAMES}
        given = {
            _NAMES[name]: cross_signing_key_of(one.raw, requester.user_id, _NAMES[name])
            for name, one in raw.items()
            if one is not None
        }
        is_confirmed = False
        for _ in range(_TRIES):
            known = (await self._store.of_users([requester.user_nid])).get(requester.user_nid, {})
            new = {usage: key for usage, key in given.items() if not _is_known(key, known)}
            if Usage.MASTER not in given and Usage.MASTER not in known:
                raise MissingParam("master_key")
            if not new:
                return
            await self._check(requester, given, known)
            if Usage.MASTER in known and not is_confirmed:
                await self._ui_auth.confirm(requester, "replace the cross-signing keys of", body)
                is_confirmed = True
            keys = given if Usage.MASTER in new else {**known, **new}
            before = known[Usage.MASTER].json if Usage.MASTER in known else None
            # What a new master key has not signed goes with the old one.
            replacement = NewKeySet(requester.user_nid, before, list(keys.values()))
            if await self._store.replace(replacement):
                return
        raise Forbidden("Other clients keep changing the keys")

    async def _check(self, requester: Requester, given: KeySet, known: KeySet) -> None:
        """Raises `MatrixError` if the keys can't be the user's."""
        master = given.get(Usage.MASTER) or known[Usage.MASTER]
        for usage, key in given.items():
            if usage is not Usage.MASTER:
                value: dict[str, Any] = orjson.loads(key.json)
                what = f"The {usage.text} key is not signed by the master key"
                require_signature(value, requester.user_id, master.public_key, what)
        public_keys = [key.public_key for key in given.values()]
        kept = [] if Usage.MASTER in given else list(known.values())
        public_keys += [key.public_key for key in kept if key.usage not in given]
        if len(set(public_keys)) < len(public_keys):
            raise Forbidden("Each key must be another one")
        for device in await self._devices.devices(requester.user_nid):
            if device.device_id in public_keys:
                raise Forbidden(f"Key ID in use: a device is called {device.device_id}")


def _is_known(key: CrossSigningKey, known: KeySet) -> bool:
    """Whether the user has the key, whatever signatures it has."""
    there = known.get(key.usage)
    if there is None or there.public_key != key.public_key:
        return False
    return unsigned_json(orjson.loads(key.json)) == unsigned_json(orjson.loads(there.json))
