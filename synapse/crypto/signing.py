"""Ed25519 signatures over canonical JSON (appendices, "Signing JSON").

PyNaCl is used directly: the curve costs 17 µs to sign and 43 µs to verify, whatever stands around
it, so what matters is to sign once and to verify each signature once. Those who have the bytes
already (see `synapse.events.hashing`) call the keys; the functions at the end are for other JSON:
server keys, requests between servers, third-party invites.

A key file holds one key per line, newest first by convention: `ed25519 a_XXXX <base64 seed>`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nacl import bindings
from nacl.exceptions import CryptoError

from synapse.util import base64, canonicaljson

ALGORITHM: Final = "ed25519"
_SEED_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_VERSION_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)


class InvalidKey(ValueError):
    """A key, or a line of a key file, that can't be read; the text never holds the secret."""


class InvalidSignature(ValueError):
    """The signature is missing, malformed, by an unknown key, or not over this value."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """The public half of a signing key, as servers publish it."""

    key_id: str  # "ed25519:a_XXXX"
    public: bytes

    @classmethod
    def from_base64(cls, key_id: str, text: str) -> "VerifyKey":
        """Raises `InvalidKey`."""
        if not key_id.startswith(ALGORITHM + ":"):
            raise InvalidKey(f"The key {key_id!r} is not of the algorithm {ALGORITHM}")
        try:
            public = base64.decode(text)
        except ValueError:
            raise InvalidKey(f"The key {key_id!r} is not base64") from None
        if len(public) != bindings.crypto_sign_PUBLICKEYBYTES:
            raise InvalidKey(f"The key {key_id!r} has {len(public)} bytes instead of 32")
        return cls(key_id, public)

    @property
    def base64(self) -> str:
        return base64.encode(self.public).decode()

    def verifies(self, message: bytes, signature: str) -> bool:
        """Whether `signature`, in base64, is this key's over `message`."""
        try:
            raw = base64.decode(signature)
        except ValueError:
            return False
        if len(raw) != _SIGNATURE_BYTES:
            return False
        try:
            bindings.crypto_sign_open(raw + message, self.public)
        except CryptoError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of ours. Making one costs a curve operation: keep the object."""

    version: str  # "a_XXXX"
    seed: bytes = field(repr=False)
    public: bytes = field(init=False)
    _secret: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.version or not _VERSION_CHARACTERS.issuperset(self.version):
            raise InvalidKey(f"The key version {self.version!r} is not of the form a_XXXX")
        if len(self.seed) != _SEED_BYTES:
            raise InvalidKey(f"The seed of key {self.version} has {len(self.seed)} bytes, not 32")
        public, secret = bindings.crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "public", public)
        object.__setattr__(self, "_secret", secret)

    @classmethod
    def from_line(cls, line: str) -> "SigningKey":
        """Reads `ed25519 a_XXXX <base64>`. Raises `InvalidKey`."""
        parts = line.split()
        if len(parts) != 3 or parts[0] != ALGORITHM:
            raise InvalidKey("A signing key is a line such as 'ed25519 a_XXXX <unpadded base64>'")
        try:
            seed = base64.decode(parts[2])
        except ValueError:
            raise InvalidKey(f"The seed of key {parts[1]} is not base64") from None
        return cls(parts[1], seed)

    @property
    def line(self) -> str:
        """The key as a line of a key file, without the line's end. Secret."""
        return f"{ALGORITHM} {self.version} {base64.encode(self.seed).decode()}"

    @property
    def key_id(self) -> str:
        return f"{ALGORITHM}:{self.version}"

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(self.key_id, self.public)

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, in unpadded base64."""
        return base64.encode(bindings.crypto_sign(message, self._secret)[:_SIGNATURE_BYTES])


def read_signing_keys(text: str) -> list[SigningKey]:
    """The keys of a key file, in its order. Raises `InvalidKey`, naming the line."""
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            keys.append(SigningKey.from_line(line))
        except InvalidKey as error:
            raise InvalidKey(f"Line {number}: {error}") from None
    return keys


def write_signing_keys(keys: Iterable[SigningKey]) -> str:
    """The text of a key file."""
    return "".join(f"{key.line}\n" for key in keys)


def signed_bytes(value: Mapping[str, Any]) -> bytes:
    """What a signature of `value` covers. Raises `canonicaljson.NotCanonical`."""
    return canonicaljson.encode(
        {key: member for key, member in value.items() if key not in ("signatures", "unsigned")}
    )


def sign(value: Mapping[str, Any], key: SigningKey) -> str:
    """The signature over `value`. Raises `canonicaljson.NotCanonical`."""
    return key.sign(signed_bytes(value)).decode()


def sign_json(value: Mapping[str, Any], server_name: str, key: SigningKey) -> dict[str, Any]:
    """A copy of `value` with our signature beside those that it had."""
    signatures = dict(value.get("signatures", {}))
    signatures[server_name] = {**signatures.get(server_name, {}), key.key_id: sign(value, key)}
    return {**value, "signatures": signatures}


def signatures_by(value: Mapping[str, Any], server_name: str) -> dict[str, str]:
    """The ed25519 signatures that `server_name` put on `value`: key id → signature."""
    signatures = value.get("signatures")
    by_server = signatures.get(server_name) if isinstance(signatures, dict) else None
    if not isinstance(by_server, dict):
        return {}
    return {
        key_id: signature
        for key_id, signature in by_server.items()
        if key_id.startswith(ALGORITHM + ":") and isinstance(signature, str)
    }


def verify_json(value: Mapping[str, Any], server_name: str, key: VerifyKey) -> None:
    """Passes if `server_name` signed `value` with `key`, else raises `InvalidSignature`."""
    signature = signatures_by(value, server_name).get(key.key_id)
    if signature is None:
        raise InvalidSignature(f"No signature by {server_name} with the key {key.key_id}")
    try:
        message = signed_bytes(value)
    except canonicaljson.NotCanonical as error:
        raise InvalidSignature(f"What is signed has no canonical JSON: {error}") from None
    if not key.verifies(message, signature):
        raise InvalidSignature(f"The signature by {server_name} with {key.key_id} is wrong")
