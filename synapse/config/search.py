"""Finding messages and users."""

from dataclasses import dataclass

from synapse.config.kinds import BOOLEAN
from synapse.config.options import Section, option


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDirectoryConfig:
    """Finding users."""

    enabled: bool = option(BOOLEAN, True, "Let users search for others; if false, none are found.")
    search_all_users: bool = option(
        BOOLEAN,
        False,
        "Find all users of this server, not only those who share a room with the one who searches "
        "or are in a room that everybody may join or read.",
    )
    prefer_local_users: bool = option(
        BOOLEAN, False, "Show users of this server before those of other servers."
    )
    exclude_remote_users: bool = option(BOOLEAN, False, "Don't find users of other servers.")
    show_locked_users: bool = option(BOOLEAN, False, "Find users whose account is locked, too.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """Search"""

    enable_search: bool = option(
        BOOLEAN,
        True,
        "Let users search the messages, names and topics of their rooms. If false, no index is "
        "kept; when it is true again, what happened meanwhile is taken up.",
    )
    user_directory: UserDirectoryConfig = option(
        Section(UserDirectoryConfig), UserDirectoryConfig(), "Whom users find when they search."
    )
