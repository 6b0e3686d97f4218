"""The server's signing keys, and its secrets."""

from dataclasses import dataclass

from synapse.config.kinds import FilePath
from synapse.config.options import option, secret


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
    macaroon_secret_key: str | None = secret(
        "A secret that generated configurations hold. This version signs nothing with it."
    )
    form_secret: str | None = secret(
        "Another one, for forms on web pages, of which this version has none."
    )
