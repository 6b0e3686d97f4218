"""The server's signing keys, and its secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from synapse.config.composed import ListOf, MapOf
from synapse.config.kinds import BOOLEAN, Duration, FilePath, Integer, ServerName, Text
from synapse.config.options import Section, option, required, secret
from synapse.config.place import Place
from synapse.util import base64

T = TypeVar("T")

DEFAULT_KEY_SERVER = "matrix.org"
_DAY_MS = 86400 * 1000
_EXAMPLE_KEY = "Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw"


class _PublicKey(Text):
    """The public half of a signing key."""

    def __init__(self) -> None:
        super().__init__("a public key: 43 characters of base64", f'"{_EXAMPLE_KEY}"')

    def _accepts(self, value: str) -> bool:
        try:
            return len(base64.decode(value)) == 32
        except ValueError:
            return False


class _ByKeyId(MapOf[T]):
    """A mapping from key ids."""

    def parse(self, value: object, place: Place) -> dict[str, T]:
        parsed = super().parse(value, place)
        for key_id in parsed:
            if not key_id.startswith("ed25519:"):
                raise place.key(key_id).error("is not a key's id; for example: ed25519:a_abcd")
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSigningKey:
    """A key with which this server signed in the past."""

    key: str = required(_PublicKey(), "The public half of the key.")
    expired_ts: int = required(
        Integer(example=1_700_000_000_000),
        "When the server stopped using it, in milliseconds since 1970.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKeyServer:
    """A server that is believed about other servers' keys."""

    server_name: str = required(ServerName(), "Its name.", example='"matrix.org"')
    verify_keys: Mapping[str, str] = option(
        _ByKeyId(_PublicKey(), f'{{"ed25519:auto": "{_EXAMPLE_KEY}"}}'),
        {},
        "Its public keys. What it says must be signed with one of them; unless given, its TLS "
        "certificate is proof enough.",
        example=f'{{"ed25519:auto": "{_EXAMPLE_KEY}"}}',
    )
    accept_keys_insecurely: bool = option(
        BOOLEAN,
        False,
        "Believe it without verify_keys even if federation_verify_certificates is false.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """Keys and secrets"""

    signing_key_path: str = option(
        FilePath('"/etc/matrix-synapse/example.com.signing.key"'),
        "",
        "The file with the key that signs this server's events. Keep a copy in a safe place. "
        "Unless given, it is <server_name>.signing.key beside this file; a missing one is made.",
        example='"/etc/matrix-synapse/example.com.signing.key"',
    )
    signing_key: str | None = secret(
        "The signing key itself, instead of signing_key_path: the content of such a file.",
        example='"ed25519 a_abcd 43_characters_of_base64"',
        in_file=False,
    )
    old_signing_keys: Mapping[str, OldSigningKey] = option(
        _ByKeyId(
            Section(OldSigningKey),
            f'{{"ed25519:a_abcd": {{key: "{_EXAMPLE_KEY}", expired_ts: 1700000000000}}}}',
        ),
        {},
        "Keys with which this server signed in the past, so that others can check its old events: "
        "export_signing_key -x prints such a line.",
        example=f'{{"ed25519:a_abcd": {{key: "{_EXAMPLE_KEY}", expired_ts: 1700000000000}}}}',
    )
    key_refresh_interval_ms: int = option(
        Duration("1d"),
        _DAY_MS,
        "For how long other servers may use what they know of this server's keys. Two hours at "
        "least.",
        key="key_refresh_interval",
    )
    trusted_key_servers: tuple[TrustedKeyServer, ...] = option(
        ListOf(Section(TrustedKeyServer)),
        (TrustedKeyServer(server_name=DEFAULT_KEY_SERVER),),
        "Servers to ask for the keys of others, when these don't answer or are many. Unless "
        "given, it is matrix.org; with [] nobody is asked.",
    )
    suppress_key_server_warning: bool = option(
        BOOLEAN, False, "Don't warn that matrix.org is a trusted key server."
    )
    key_server_signing_keys_path: str | None = option(
        FilePath('"/etc/matrix-synapse/key_server.signing.key"'),
        None,
        "The file with the keys that sign what this server tells others about the keys of third "
        "servers; unless given, the signing key does.",
    )
    macaroon_secret_key: str | None = secret(
        "A secret that generated configurations hold. This version signs nothing with it."
    )
    form_secret: str | None = secret(
        "Another one, for forms on web pages, of which this version has none."
    )
