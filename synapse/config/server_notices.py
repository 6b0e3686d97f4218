"""Messages of the server itself to its users."""

from dataclasses import dataclass

from synapse.config.kinds import BOOLEAN, TEXT, Pattern
from synapse.config.options import option, required


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNoticesConfig:
    """Server notices"""

    system_mxid_localpart: str = required(
        Pattern(r"[0-9A-Za-z._=/+-]+", "the localpart of a user id", '"notices"'),
        "The user who sends them, without @ and server. Nobody can register, log in as or invite "
        "this user.",
    )
    system_mxid_display_name: str | None = option(TEXT, "Notices", "The name of this user.")
    system_mxid_avatar_url: str | None = option(
        TEXT, None, "The avatar of this user.", example='"mxc://example.com/abc"'
    )
    room_name: str | None = option(
        TEXT, "Server Notices", "The name of the rooms in which users find their notices."
    )
    room_avatar_url: str | None = option(
        TEXT, None, "The avatar of these rooms.", example='"mxc://example.com/abc"'
    )
    room_topic: str | None = option(
        TEXT, None, "The topic of these rooms.", example='"What you should know"'
    )
    auto_join: bool = option(
        BOOLEAN, False, "Join users to the room at once, instead of inviting them."
    )
