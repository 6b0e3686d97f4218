"""User-interactive authentication: confirming a request in stages.

A request without `auth` gets a 401 that says which stages there are, and a session id. The client
sends the request again with a stage's answer in `auth`, until all stages of one flow are done.

A session id that was handed out is only a random name: the session is stored from its first
completed stage on. From then on it belongs to one operation of one user with one body, so that a
password given to delete one device can't be made to delete another.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from synapse.api.errors import Forbidden, InvalidParam, MatrixError
from synapse.config.passwords import UiAuthConfig
from synapse.handlers.auth import Requester
from synapse.handlers.credentials import Credentials
from synapse.handlers.token_format import random_letters
from synapse.http.json_body import JsonObject
from synapse.storage.stores.tokens import TokenStore
from synapse.storage.stores.ui_auth import CompletedStage, UiAuthSession, UiAuthStore
from synapse.util.clock import Clock

DUMMY = "m.login.dummy"
PASSWORD = "m.login.password"

Flows = Sequence[Sequence[str]]
# Answers what the stage found out. Raises `Forbidden`.
Stage = Callable[[JsonObject], Awaitable[Any]]

_MAX_SESSION_ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A completed flow."""

    session_id: str
    results: dict[str, Any]  # stage -> what it found out


class AuthenticationNeeded(MatrixError):
    """401 with the flows; `error` says why a stage failed."""

    def __init__(
        self, session_id: str, flows: Flows, completed: Sequence[str], error: MatrixError | None
    ) -> None:
        errcode, message = (error.errcode, error.message) if error else ("", "")
        super().__init__(401, errcode, message)
        self._session_id = session_id
        self._flows = flows
        self._completed = completed

    def body(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "session": self._session_id,
            "flows": [{"stages": list(flow)} for flow in self._flows],
            "params": {},
        }
        if self._completed:
            answer["completed"] = list(self._completed)
        if self.errcode:
            answer["errcode"] = self.errcode
            answer["error"] = self.message
        return answer


class UiAuth:
    """Asks clients to authenticate a request."""

    def __init__(
        self,
        store: UiAuthStore,
        tokens: TokenStore,
        credentials: Credentials,
        clock: Clock,
        config: UiAuthConfig,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._credentials = credentials
        self._clock = clock
        self._grace_ms = config.session_timeout_ms
        self._stages: dict[str, Stage] = {DUMMY: _dummy, PASSWORD: self._password}

    async def confirm(self, requester: Requester, operation: str, body: JsonObject) -> None:
        """Have the requester's password, unless they have given it within the grace period."""
        if self._grace_ms and await self._validated_lately(requester):
            return
        operation = f"{operation} {requester.user_id}"
        confirmation = await self.complete(operation, body, [[PASSWORD]])
        if confirmation.results[PASSWORD] != requester.user_id:
            raise Forbidden("This is the password of another user")
        await self._tokens.validated(requester.user_nid, requester.token_id, self._clock.now_ms())

    async def complete(self, operation: str, body: JsonObject, flows: Flows) -> Confirmation:
        """Returns when a flow is complete. Raises `AuthenticationNeeded` until then."""
        auth = body.optional_object("auth")
        if auth is None:
            raise AuthenticationNeeded(random_letters(24), flows, [], None)
        session_id = _session_id(auth) or random_letters(24)
        session = await self._session(session_id, operation, body)
        completed = session.completed if session else {}
        stage = auth.optional_string("type")
        if stage is not None and stage not in completed and not _is_complete(flows, completed):
            result = await self._check(stage, auth, session_id, flows, completed)
            completed = await self._store.complete(
                CompletedStage(
                    session_id, operation, _digest(body), self._clock.now_ms(), stage, result
                )
            )
        if not _is_complete(flows, completed):
            raise AuthenticationNeeded(session_id, flows, list(completed), None)
        return Confirmation(session_id, completed)

    async def outcome(self, operation: str, body: JsonObject) -> str | None:
        """What came of the request, if it is the repetition of one that succeeded."""
        auth = body.optional_object("auth")
        session_id = auth and _session_id(auth)
        if not session_id:
            return None
        session = await self._session(session_id, operation, body)
        return session.outcome if session else None

    async def _session(
        self, session_id: str, operation: str, body: JsonObject
    ) -> UiAuthSession | None:
        session = await self._store.session(session_id, self._clock.now_ms())
        if session is not None and (
            session.operation != operation or session.request_hash != _digest(body)
        ):
            raise Forbidden("The request differs from the one that this session is for")
        return session

    async def _check(
        self,
        stage: str,
        auth: JsonObject,
        session_id: str,
        flows: Flows,
        completed: dict[str, Any],
    ) -> Any:
        """Let the client try a stage that is next in one of the flows."""
        if stage not in _next_stages(flows, completed):
            error: MatrixError = Forbidden(f"{stage[:100]} is not the next stage of a flow")
            raise AuthenticationNeeded(session_id, flows, list(completed), error)
        try:
            return await self._stages[stage](auth)
        except Forbidden as error:
            raise AuthenticationNeeded(session_id, flows, list(completed), error) from None

    async def _password(self, auth: JsonObject) -> str:
        return (await self._credentials.verify(auth)).user_id

    async def _validated_lately(self, requester: Requester) -> bool:
        validated_ms = await self._tokens.validated_ms(requester.user_nid, requester.token_id)
        return validated_ms + self._grace_ms > self._clock.now_ms()


async def _dummy(auth: JsonObject) -> bool:
    return True


def _session_id(auth: JsonObject) -> str | None:
    session_id = auth.optional_string("session")
    if session_id is not None and (len(session_id) > _MAX_SESSION_ID_LENGTH or "\0" in session_id):
        raise InvalidParam("'auth.session' is not a session id of this server")
    return session_id


def _digest(body: JsonObject) -> bytes:
    request = {key: value for key, value in body.raw.items() if key != "auth"}
    return hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).digest()


def _is_complete(flows: Flows, completed: dict[str, Any]) -> bool:
    return any(all(stage in completed for stage in flow) for flow in flows)


def _next_stages(flows: Flows, completed: dict[str, Any]) -> set[str]:
    """The first stage of each flow that isn't completed: stages must come in order."""
    return {stage for flow in flows for stage in [s for s in flow if s not in completed][:1]}
