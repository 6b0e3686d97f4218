"""Finding messages."""

from dataclasses import dataclass

from synapse.config.kinds import BOOLEAN
from synapse.config.options import option


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """Search"""

    enable_search: bool = option(
        BOOLEAN,
        True,
        "Let users search the messages, names and topics of their rooms. If false, no index is "
        "kept; when it is true again, what happened meanwhile is taken up.",
    )
