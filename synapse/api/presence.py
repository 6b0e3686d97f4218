"""The states of presence."""

from enum import IntEnum


class PresenceState(IntEnum):
    """What a user is to others; of several devices the greatest counts. Kept as its number."""

    OFFLINE = 0
    UNAVAILABLE = 1
    ONLINE = 2
    BUSY = 3  # MSC3026

    @classmethod
    def of(cls, text: str) -> "PresenceState":
        """From the specification's spelling. Raises `KeyError` for any other word."""
        return _BY_TEXT[text]

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    PresenceState.OFFLINE: "offline",
    PresenceState.UNAVAILABLE: "unavailable",
    PresenceState.ONLINE: "online",
    PresenceState.BUSY: "org.matrix.msc3026.busy",
}
_BY_TEXT = {text: state for state, text in _TEXTS.items()}
# What a client may say.
PRESENCE_STATES = tuple(_BY_TEXT)
