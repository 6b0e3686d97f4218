"""Publishing the keys of a device (`/keys/upload`)."""

from synapse.api.errors import InvalidParam, UnknownToken
from synapse.handlers.auth import Requester
from synapse.handlers.key_counts import counted
from synapse.handlers.keys.published import identity_of, one_time_keys_of
from synapse.http.json_body import JsonObject
from synapse.storage.stores.device_keys import DeviceKeyStore, Upload


class KeyUploads:
    """Takes keys from clients."""

    def __init__(self, store: DeviceKeyStore) -> None:
        self._store = store

    async def upload(self, requester: Requester, body: JsonObject) -> dict[str, int]:
        """How many one-time keys the device has now, by algorithm."""
        if requester.device_id is None:
            raise InvalidParam("Only a device can publish keys, and this session has none")
        identity = body.optional_object("device_keys")
        one_time = body.optional_object("one_time_keys")
        fallback = body.optional_object("fallback_keys")
        upload = Upload(
            requester.user_nid,
            requester.device_nid,
            requester.device_id,
            None
            if identity is None
            else identity_of(identity.raw, requester.user_id, requester.device_id),
            [] if one_time is None else one_time_keys_of(one_time.raw, "one_time_keys"),
            [] if fallback is None else one_time_keys_of(fallback.raw, "fallback_keys"),
        )
        algorithms = [key.algorithm for key in upload.fallback]
        if len(set(algorithms)) < len(algorithms):
            raise InvalidParam("'fallback_keys' may hold one key for each algorithm")
        uploaded = await self._store.upload(upload)
        if uploaded.is_gone:
            raise UnknownToken("The device is gone")
        if uploaded.counts is None:
            raise InvalidParam(f"There is another one-time key {uploaded.conflict}")
        return counted(uploaded.counts)
