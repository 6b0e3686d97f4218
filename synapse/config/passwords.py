"""Passwords, and asking for them again."""

from dataclasses import dataclass

from synapse.config.kinds import BOOLEAN, Duration, Integer
from synapse.config.options import Section, option, secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """What a new password must have."""

    enabled: bool = option(BOOLEAN, False, "Whether the policy holds.")
    minimum_length: int = option(Integer(0, 512), 0, "How many characters it must have.")
    require_digit: bool = option(BOOLEAN, False, "It must contain a digit.")
    require_symbol: bool = option(BOOLEAN, False, "It must contain something else than a letter.")
    require_lowercase: bool = option(BOOLEAN, False, "It must contain a lower-case letter.")
    require_uppercase: bool = option(BOOLEAN, False, "It must contain an upper-case letter.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordConfig:
    """Passwords"""

    enabled: bool = option(
        BOOLEAN,
        True,
        "Let users log in with a password.",
    )
    localdb_enabled: bool = option(
        BOOLEAN, True, "Check passwords against this server's own database."
    )
    pepper: str | None = secret(
        "A secret mixed into every password before it is hashed. Never change it: all passwords "
        "would become invalid.",
        in_file=False,
    )
    policy: PasswordPolicy = option(
        Section(PasswordPolicy), PasswordPolicy(), "What new passwords must have."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UiAuthConfig:
    """Confirming dangerous actions"""

    session_timeout_ms: int = option(
        Duration("15s"),
        0,
        "How long a user who has just confirmed an action with the password isn't asked again.",
        key="session_timeout",
    )
