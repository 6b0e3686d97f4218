"""The administrator's rules for the directory: who may make which alias, and show which room."""

from collections.abc import Sequence

from synapse.api.errors import Forbidden
from synapse.config.rooms import DirectoryRule, RoomsConfig
from synapse.handlers.auth import Requester
from synapse.util.globs import matches_glob

_Rules = tuple[DirectoryRule, ...] | None


class DirectoryRules:
    """Holds wishes against the rules. Administrators of the server are above them."""

    def __init__(self, config: RoomsConfig) -> None:
        self._aliases = config.alias_creation_rules
        self._publication = config.room_list_publication_rules

    def check_alias(self, requester: Requester, alias: str, room_id: str) -> None:
        """Raises `Forbidden`. A new room has no id yet: `""`, which only `*` matches."""
        if not requester.is_admin and not _allows(
            self._aliases, requester.user_id, room_id, [alias]
        ):
            raise Forbidden("You are not allowed to make this alias")

    def check_publication(self, requester: Requester, room_id: str, aliases: Sequence[str]) -> None:
        """Raises `Forbidden`. A new room has no id yet, as above."""
        if not requester.is_admin and not _allows(
            self._publication, requester.user_id, room_id, aliases
        ):
            raise Forbidden("You are not allowed to show this room in the directory")


def _allows(rules: _Rules, user_id: str, room_id: str, aliases: Sequence[str]) -> bool:
    """What the first rule that matches says; without any, "no"; without rules, "yes"."""
    if rules is None:
        return True
    for rule in rules:
        if (
            matches_glob(rule.user_id, user_id)
            and matches_glob(rule.room_id, room_id)
            # A room without aliases is matched as one whose alias is empty.
            and any(matches_glob(rule.alias, alias) for alias in aliases or [""])
        ):
            return rule.action == "allow"
    return False
