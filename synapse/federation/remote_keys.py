"""Keys of other servers' users: `synapse.handlers.keys.remote.RemoteKeys`.

Of users who share rooms with ours, lists of devices are kept (`remote_lists`), so most questions
need no other server. Each server is asked on its own: one that is slow or gone spoils no other's
answer.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from synapse.api.errors import MatrixError
from synapse.federation.device_answers import key_answer_of
from synapse.federation.errors import RemoteError
from synapse.federation.remote_lists import NoList, RemoteLists
from synapse.federation.sending.places import Places
from synapse.federation.wire import Transport
from synapse.handlers.keys.answers import KeyAnswer, Wanted, is_wanted
from synapse.handlers.keys.published import one_time_keys_of
from synapse.http.client.errors import RequestFailed
from synapse.storage.stores.cross_signing import CrossSigningStore
from synapse.storage.stores.device_keys import Claim
from synapse.storage.stores.names import Names
from synapse.storage.stores.remote_devices import RemoteDeviceStore
from synapse.util.background import Background
from synapse.util.clock import Clock

logger = logging.getLogger(__name__)

T = TypeVar("T")
_KEYS = "/_matrix/federation/v1/user/keys"
# So many lists of one server's users are begun for one question. If more are missing, the server is
# asked once for all, and each list when it is needed again.
_MOST_LISTS = 20
# Of the servers of one question, so many are asked at the same time.
_SERVERS_AT_ONCE = 50


class RemoteKeys:
    """Asks for them."""

    def __init__(
        self,
        transport: Transport,
        lists: RemoteLists,
        store: RemoteDeviceStore,
        cross_signing: CrossSigningStore,
        names: Names,
        background: Background,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._lists = lists
        self._store = store
        self._cross_signing = cross_signing
        self._names = names
        self._background = background
        self._clock = clock

    async def query(
        self, asked: Mapping[str, Wanted], timeout_s: float
    ) -> tuple[KeyAnswer, dict[str, Any]]:
        """The keys of users, by server, and the failures."""
        answers, failures = await self._each(
            asked, lambda server: self._query(server, asked[server], timeout_s), timeout_s
        )
        answer = KeyAnswer()
        for one in answers:
            answer.update(one)
        return answer, failures

    async def claim(
        self, asked: Mapping[str, Sequence[Claim]], timeout_s: float
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """One-time keys by user and device, and the failures."""
        answers, failures = await self._each(
            asked, lambda server: self._claim(server, asked[server], timeout_s), timeout_s
        )
        claimed: dict[str, dict[str, Any]] = {}
        for one in answers:
            claimed |= one
        return claimed, failures

    async def _each(
        self, servers: Mapping[str, Any], ask: Callable[[str], Awaitable[T]], timeout_s: float
    ) -> tuple[list[T], dict[str, Any]]:
        """Ask servers all at once; what they answer in time, and who doesn't."""
        answers: dict[str, T] = {}
        failures: dict[str, Any] = {}
        done: Deferred[None] = Deferred()
        places = Places(_SERVERS_AT_ONCE)

        async def ask_one(server: str) -> None:
            await places.acquire()
            try:
                if not done.called:  # else nobody waits any more
                    answers[server] = await ask(server)
            except (RequestFailed, RemoteError, NoList, MatrixError) as error:
                logger.info("Keys of users of %s can't be had: %s", server, error)
                failures[server] = _failure(error)
            finally:
                places.release()
                if len(answers) + len(failures) == len(servers) and not done.called:
                    done.callback(None)

        for server in servers:
            self._background.spawn("ask for keys", ask_one(server))
        await self._clock.wait_for(done, timeout_s)
        for server in servers:
            if server not in answers and server not in failures:
                failures[server] = {"status": 504, "message": "The server took too long to answer"}
        return list(answers.values()), dict(failures)

    async def _query(self, server: str, wanted: Wanted, timeout_s: float) -> KeyAnswer:
        nids = await self._names.nids(list(wanted))
        shared = await self._store.shared(list(nids.values()))
        users = {user_id: nid for user_id, nid in nids.items() if nid in shared}
        lists = await self._store.lists(list(users.values()))
        missing = [u for u, nid in users.items() if nid not in lists or lists[nid].stale]
        if len(missing) <= _MOST_LISTS:
            fetching = [
                Deferred.fromCoroutine(self._lists.fetch(user_id, users[user_id]))
                for user_id in missing
            ]
            await _all(fetching)
        else:
            users = {u: nid for u, nid in users.items() if u not in missing}
        answer = await self._kept(users, wanted)
        strangers = {user_id: wanted[user_id] for user_id in wanted if user_id not in users}
        if strangers:
            told = await self._transport.request(
                server,
                "POST",
                f"{_KEYS}/query",
                json={"device_keys": strangers},
                timeout_s=max(timeout_s, 1.0),
            )
            answer.update(key_answer_of(told, strangers))
        return answer

    async def _kept(self, users: Mapping[str, int], wanted: Wanted) -> KeyAnswer:
        """What is known of users whose lists are kept."""
        answer = KeyAnswer()
        names = {nid: user_id for user_id, nid in users.items()}
        for nid, devices in (await self._store.devices(list(names))).items():
            user_id = names[nid]
            answer.device_keys[user_id] = {}
            for device in devices:
                if device.json is not None and is_wanted(device.device_id, wanted[user_id]):
                    answer.add_device(user_id, device.device_id, device.json, device.display_name)
        for nid, keys in (await self._cross_signing.of_users(list(names))).items():
            answer.add_keys(names[nid], keys)
        return answer

    async def _claim(
        self, server: str, claims: Sequence[Claim], timeout_s: float
    ) -> dict[str, dict[str, Any]]:
        asked: dict[str, dict[str, str]] = {}
        for claim in claims:
            asked.setdefault(claim.user_id, {})[claim.device_id] = claim.algorithm
        told = await self._transport.request(
            server,
            "POST",
            f"{_KEYS}/claim",
            json={"one_time_keys": asked},
            timeout_s=max(timeout_s, 1.0),
        )
        return _claimed(told, asked)


async def _all(fetching: Sequence["Deferred[None]"]) -> None:
    """Wait for all; then the first error is raised."""
    errors = []
    for fetched in fetching:
        try:
            await fetched
        except (RequestFailed, RemoteError, NoList) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _claimed(told: Any, asked: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """What of an answer is a key that was asked for."""
    found: dict[str, dict[str, Any]] = {}
    by_user = told.get("one_time_keys") if isinstance(told, dict) else None
    for user_id, devices in (by_user if isinstance(by_user, dict) else {}).items():
        for device_id, keys in (devices if isinstance(devices, dict) else {}).items():
            algorithm = asked.get(user_id, {}).get(device_id)
            if algorithm is not None and _is_key(keys, algorithm):
                found.setdefault(user_id, {})[device_id] = keys
    return found


def _is_key(keys: Any, algorithm: str) -> bool:
    """Whether it is one key of the algorithm."""
    if not isinstance(keys, dict) or len(keys) != 1:
        return False
    try:
        (key,) = one_time_keys_of(keys, "one_time_keys")
    except MatrixError:
        return False
    return key.algorithm == algorithm


def _failure(error: RequestFailed | RemoteError | NoList | MatrixError) -> dict[str, Any]:
    """As clients are told: the texts of other servers are not for them."""
    if isinstance(error, RequestFailed):
        return {"status": 503, "message": "The server can't be reached"}
    status = getattr(error, "status", 502)
    return {"status": status, "message": "The server answered with an error"}
