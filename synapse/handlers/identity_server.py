"""Identity servers: which user has an address, and keeping invitations for who has none yet.

Identity service API, "Association lookup", "Invitations" and "Key management". The server asks at
the wish of a user, who says which identity server and gives it a token of their own. Whatever goes
wrong there ends the request with a 403 and not with a 5xx: it was the client that chose this
identity server. The error doesn't tell why a server could not be reached, so that nobody explores
our network with it; the log does.
"""

import logging
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson

from synapse.api.errors import InvalidParam, MatrixError
from synapse.api.identifiers import is_server_name
from synapse.api.third_party_ids import ThirdPartyId
from synapse.handlers.identity_answers import (
    StoredInvite,
    UnusableAnswer,
    errcode_in,
    pepper_in,
    user_in,
)
from synapse.http.client.answer import Answer
from synapse.http.client.client import HttpClient
from synapse.http.client.errors import RequestFailed
from synapse.http.json_body import parse_json
from synapse.util import base64

logger = logging.getLogger(__name__)

_API = "/_matrix/identity/v2"
_ACCESS_TOKEN = re.compile(r"[!-~]{1,4000}")

# An honest answer has some hundred bytes, and a client waits meanwhile.
_MAX_BYTES = 65_536
_TIMEOUT_S = 10.0
# The client for addresses that users name. It refuses those of our own network.
IdentityClient = Callable[[], HttpClient]


class IdentityServerFailed(MatrixError):
    """403 `M_THREEPID_DENIED`: what the identity server says, or that it says nothing."""

    def __init__(self, name: str, reason: str, *, their_errcode: str | None = None) -> None:
        super().__init__(403, "M_THREEPID_DENIED", f"The identity server {name} {reason}")
        self.their_errcode = their_errcode


class IdentityServer:
    """One identity server, asked for a user of ours."""

    def __init__(self, client: HttpClient, name: str, access_token: str) -> None:
        """Raises `InvalidParam` if it can't be asked by that name or with that token."""
        if not is_server_name(name):
            raise InvalidParam(f"'id_server' must be a host, perhaps with a port: {name[:255]!r}")
        if not _ACCESS_TOKEN.fullmatch(access_token):
            raise InvalidParam("'id_access_token' is no access token")
        self._client = client
        self._name = name
        self._headers = {"Authorization": f"Bearer {access_token}"}

    async def user_of(self, identifier: ThirdPartyId) -> str | None:
        """The user to whom the identifier is bound, if there is one."""
        try:
            return await self._look_up(identifier)
        except IdentityServerFailed as error:
            if error.their_errcode != "M_INVALID_PEPPER":
                raise
            # It has just been replaced.
            return await self._look_up(identifier)

    async def store_invite(self, identifier: ThirdPartyId, about: dict[str, Any]) -> StoredInvite:
        """Let the identity server invite who is behind the identifier. `about` describes the
        invitation: `room_id`, `sender` and what else is known."""
        body = {"medium": identifier.medium, "address": identifier.address, **about}
        answer = await self._ask("POST", "/store-invite", body)
        try:
            return StoredInvite.of(answer)
        except UnusableAnswer as error:
            raise self._unusable(error) from None

    async def _look_up(self, identifier: ThirdPartyId) -> str | None:
        details = await self._ask("GET", "/hash_details")
        try:
            pepper = pepper_in(details)
        except UnusableAnswer as error:
            raise self._unusable(error) from None
        text = f"{identifier.address} {identifier.medium} {pepper}"
        hashed = base64.encode_url_safe(sha256(text.encode()).digest()).decode()
        body = {"addresses": [hashed], "algorithm": "sha256", "pepper": pepper}
        answer = await self._ask("POST", "/lookup", body)
        try:
            return user_in(answer, hashed)
        except UnusableAnswer as error:
            raise self._unusable(error) from None

    async def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        url = f"https://{self._name}{_API}{path}"
        headers = self._headers
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            content = b"" if body is None else orjson.dumps(body)
            answer = await _request(self._client, method, url, headers=headers, body=content)
        except RequestFailed as error:
            logger.info("An identity server could not be asked: %s", error)
            raise IdentityServerFailed(self._name, "can't be reached") from None
        said = _json(answer.body)
        if answer.status != 200:
            raise self._refused(answer.status, errcode_in(said))
        if not isinstance(said, dict):
            raise self._unusable(UnusableAnswer("it is no JSON object"))
        return said

    def _refused(self, status: int, errcode: str | None) -> MatrixError:
        if errcode == "M_TERMS_NOT_SIGNED":
            # Clients know what to do about it.
            return MatrixError(
                403, errcode, f"The terms of the identity server {self._name} are not accepted yet"
            )
        reason = f"refuses this: {errcode or f'status {status}'}"
        return IdentityServerFailed(self._name, reason, their_errcode=errcode)

    def _unusable(self, error: UnusableAnswer) -> MatrixError:
        return IdentityServerFailed(self._name, f"gives an answer that can't be used: {error}")


async def is_valid_key(client: HttpClient, url: str, public_key: str) -> bool:
    """Whether a key that signs invitations still counts, as its `key_validity_url` says.

    Whoever may invite into a room chooses the URL; what can't be asked is not valid.
    """
    if not url.startswith("https://") or "#" in url:
        return False
    separator = "&" if "?" in url else "?"
    try:
        answer = await _request(
            client, "GET", f"{url}{separator}public_key={quote(public_key, safe='')}"
        )
    except RequestFailed as error:
        logger.info("Whether a key for invitations is valid could not be asked: %s", error)
        return False
    said = _json(answer.body)
    return answer.status == 200 and isinstance(said, dict) and said.get("valid") is True


async def _request(client: HttpClient, method: str, url: str, **options: Any) -> Answer:
    return await client.request(method, url, timeout_s=_TIMEOUT_S, max_bytes=_MAX_BYTES, **options)


def _json(body: bytes) -> Any:
    try:
        return parse_json(body)
    except MatrixError:
        return None
