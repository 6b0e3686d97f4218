"""Sync tokens: a stream position, and a small number for what lives in memory only.

`s123_45`: all that was committed up to position 123, and what lives in memory only (typing,
presence) up to serial 45 (`Serials`).
`s123_45_d100`: the same, but of the messages to the client's device only those up to position 100.
Opaque to clients, and valid for ever. The `pos` of sliding sync begins with one, and names its
connection behind it (`s123_45_0123456789ab_7`): it is a token too, wherever one is wanted.
"""

import re
from dataclasses import dataclass

from synapse.api.errors import InvalidParam

_SYNC = re.compile(
    r"s([0-9]{1,18})_([0-9]{1,18})(?:_d([0-9]{1,18})|_[0-9a-f]{12}_[0-9]{1,18})?", re.ASCII
)
_TIMELINE = re.compile(r"t(-?[0-9]{1,18})(?:_([0-9]))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SyncToken:
    """`next_batch` and `since` of `/sync`."""

    position: int
    typing: int
    to_device: int | None = None  # None: as far as the position

    @classmethod
    def parse(cls, text: str) -> "SyncToken":
        """Raises 400 `M_INVALID_PARAM`."""
        match = _SYNC.fullmatch(text)
        if match is None:
            raise InvalidParam(f"Not a token of this server: {text[:100]!r}")
        to_device = None if match[3] is None else int(match[3])
        return cls(int(match[1]), int(match[2]), to_device)

    def __str__(self) -> str:
        behind = "" if self.to_device is None else f"_d{self.to_device}"
        return f"s{self.position}_{self.typing}{behind}"

    @property
    def messages(self) -> int:
        """Up to where messages to the device are told."""
        return self.position if self.to_device is None else self.to_device


def timeline_token(pos: int, tries: int = 0) -> str:
    """A place in a room's timeline: just after the event with this `pos` (`t5`).

    `t5_2`: the same, of a reader who was told twice to ask again there.
    """
    return f"t{pos}_{tries}" if tries else f"t{pos}"


def parse_timeline_token(text: str) -> int:
    """The `pos` of a token of `/messages`. Raises 400 `M_INVALID_PARAM`."""
    return int(_match(text)[1])


def tries_of(text: str) -> int:
    """How often the reader who has this timeline token was told to ask again.

    Raises 400 `M_INVALID_PARAM`.
    """
    return int(_match(text)[2] or 0)


def _match(text: str) -> re.Match[str]:
    match = _TIMELINE.fullmatch(text)
    if match is None:
        raise InvalidParam(f"Not a token of this server: {text[:100]!r}")
    return match
