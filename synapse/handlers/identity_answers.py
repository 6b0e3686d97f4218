"""What identity servers answer, read with care: users choose them, and nobody has to trust them."""

import re
from dataclasses import dataclass
from typing import Any

from synapse.api.identifiers import is_user_id
from synapse.util import base64

_TOKEN = re.compile(r"[0-9A-Za-z.=_-]{1,255}")
_ERRCODE = re.compile(r"[A-Z0-9_.]{1,64}")
_KEY_BYTES = 32
_MAX_KEYS = 10
_MAX_TEXT_LENGTH = 500
_MAX_URL_LENGTH = 2_000


class UnusableAnswer(ValueError):
    """The answer is not of the shape that the specification gives; the text says how."""


@dataclass(frozen=True, slots=True)
class StoredInvite:
    """What `/store-invite` answers: how the invitee will prove who they are."""

    token: str
    display_name: str
    public_keys: tuple[dict[str, str], ...]  # `public_key` and `key_validity_url` of each

    @classmethod
    def of(cls, answer: dict[str, Any]) -> "StoredInvite":
        """Raises `UnusableAnswer`."""
        token, name, keys = (answer.get(k) for k in ("token", "display_name", "public_keys"))
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise UnusableAnswer("the token is none")
        if not isinstance(name, str) or len(name) > _MAX_TEXT_LENGTH:
            raise UnusableAnswer("the display name is none")
        if not isinstance(keys, list) or not 1 <= len(keys) <= _MAX_KEYS:
            raise UnusableAnswer("there are no public keys, or too many")
        return cls(token, name, tuple(_key(key) for key in keys))

    def content(self) -> dict[str, Any]:
        """The content of the `m.room.third_party_invite`; the first key for old servers."""
        return {
            "display_name": self.display_name,
            **self.public_keys[0],
            "public_keys": list(self.public_keys),
        }


def pepper_in(answer: dict[str, Any]) -> str:
    """The pepper with which addresses are hashed. Raises `UnusableAnswer`."""
    pepper, algorithms = answer.get("lookup_pepper"), answer.get("algorithms")
    if not isinstance(pepper, str) or len(pepper) > _MAX_TEXT_LENGTH:
        raise UnusableAnswer("the pepper is none")
    # There is also "none", which gives away the addresses of people who use no Matrix.
    if not isinstance(algorithms, list) or "sha256" not in algorithms:
        raise UnusableAnswer("it doesn't offer the algorithm sha256")
    return pepper


def user_in(answer: dict[str, Any], hashed: str) -> str | None:
    """The user whose address has that hash, if there is one. Raises `UnusableAnswer`."""
    mappings = answer.get("mappings")
    if not isinstance(mappings, dict):
        raise UnusableAnswer("there are no mappings")
    user_id = mappings.get(hashed)
    if user_id is not None and not is_user_id(user_id):
        raise UnusableAnswer("the address is mapped to what is no user id")
    return user_id


def errcode_in(answer: Any) -> str | None:
    errcode = answer.get("errcode") if isinstance(answer, dict) else None
    return errcode if isinstance(errcode, str) and _ERRCODE.fullmatch(errcode) else None


def _key(entry: Any) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise UnusableAnswer("a public key is none")
    key, url = entry.get("public_key"), entry.get("key_validity_url")
    if not isinstance(key, str) or not _is_key(key):
        raise UnusableAnswer("a public key is none")
    if not isinstance(url, str) or not url.startswith("https://") or len(url) > _MAX_URL_LENGTH:
        raise UnusableAnswer("a key's validity can't be asked for at an https:// URL")
    return {"public_key": key, "key_validity_url": url}


def _is_key(text: str) -> bool:
    try:
        return len(base64.decode(text.replace("-", "+").replace("_", "/"))) == _KEY_BYTES
    except ValueError:
        return False
