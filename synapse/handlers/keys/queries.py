"""Asking for keys, of users of ours and of others (`/keys/query`, `/keys/claim`)."""

from collections.abc import Mapping
from typing import Any

import orjson

from synapse.handlers.auth import Requester
from synapse.handlers.keys.answers import KeyAnswer, Wanted
from synapse.handlers.keys.local import LocalKeys
from synapse.handlers.keys.remote import RemoteKeys
from synapse.handlers.keys.requests import by_server, claims, timeout_s, wanted_devices
from synapse.http.json_body import JsonObject
from synapse.storage.stores.device_keys import Claim, Claimed, DeviceKeyStore
from synapse.storage.stores.names import Names


class KeyQueries:
    """Answers clients."""

    def __init__(
        self,
        local: LocalKeys,
        store: DeviceKeyStore,
        remote: RemoteKeys,
        names: Names,
        *,
        server_name: str,
    ) -> None:
        self._local = local
        self._store = store
        self._remote = remote
        self._names = names
        self._server_name = server_name

    async def query(self, requester: Requester, body: JsonObject) -> dict[str, Any]:
        """`/keys/query`."""
        asked = by_server(wanted_devices(body.object("device_keys").raw))
        answer, failures = await self.keys(requester.user_id, asked, timeout_s(body))
        return {
            "failures": failures,
            **answer.to_json(),
            "user_signing_keys": answer.user_signing_keys,
        }

    async def keys(
        self, viewer: str, asked: Mapping[str, Wanted], timeout_s: float
    ) -> tuple[KeyAnswer, dict[str, Any]]:
        """The keys of users, by their servers, as one of our users may see them."""
        asked = dict(asked)
        ours = asked.pop(self._server_name, None)
        answer = KeyAnswer() if ours is None else await self._local.of(ours, viewer)
        if not asked:
            return answer, {}
        theirs, failures = await self._remote.query(asked, timeout_s)
        nids = await self._names.nids(list(theirs.device_keys))
        names = {nid: user_id for user_id, nid in nids.items()}
        await self._local.add_signatures(theirs, names, viewer)
        answer.update(theirs)
        return answer, failures

    async def claim(self, requester: Requester, body: JsonObject) -> dict[str, Any]:
        """`/keys/claim`."""
        asked: dict[str, list[Claim]] = {}
        for claim in claims(body.object("one_time_keys").raw):
            asked.setdefault(claim.user_id.partition(":")[2], []).append(claim)
        wait_s = timeout_s(body)
        ours = asked.pop(self._server_name, None)
        answer = {} if ours is None else claimed_json(await self._store.claim(ours))
        failures: dict[str, Any] = {}
        if asked:
            theirs, failures = await self._remote.claim(asked, wait_s)
            answer |= theirs
        return {"failures": failures, "one_time_keys": answer}


def claimed_json(claimed: Claimed) -> dict[str, dict[str, Any]]:
    """One-time keys by user and device."""
    answer: dict[str, dict[str, Any]] = {}
    for (user_id, device_id), keys in claimed.items():
        shown = {name: orjson.Fragment(json) for name, json in keys.items()}
        answer.setdefault(user_id, {})[device_id] = shown
    return answer
