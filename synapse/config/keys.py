"""The server's signing keys, and its secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

from synapse.config.composed import MapOf
from synapse.config.kinds import Duration, FilePath, Integer, Pattern
from synapse.config.options import Section, option, required, secret

_PUBLIC_KEY = Pattern(
    r"[0-9A-Za-z+/_-]{43}=?",
    "a public key, 32 bytes in base64",
    '"dg+5VrTqJ1wzOTiXU2wWDNMrrLwq/HhIVBgzeTK0FkM"',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSigningKey:
    """A public key that signed in the past."""

    key: str = required(_PUBLIC_KEY, "The public key.")
    expired_ts: int = required(
        Integer(), "When it was last used, in milliseconds since 1970.", example="1576767829750"
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
        MapOf(
            Section(OldSigningKey),
            '{"ed25519:a_abcd": {key: "dg+5VrTqJ1wzOTiXU2wWDNMrrLwq/HhIVBgzeTK0FkM", '
            "expired_ts: 1576767829750}}",
        ),
        {},
        "Former keys by their id, so that other servers can check what they signed; "
        "export_signing_key -x writes them.",
    )
    key_refresh_interval_ms: int = option(
        Duration("1d"),
        86400 * 1000,
        "For how long other servers may rely on our published key before they ask again.",
        key="key_refresh_interval",
    )
    macaroon_secret_key: str | None = secret("A secret that signs short-lived tokens.")
    form_secret: str | None = secret("A secret that protects forms on the server's web pages.")
