"""EDUs: what servers tell each other beside events. Each type has one who takes it up.

Server-server API, "EDUs". Most are told in passing: nobody asks for them again, and one that can't
be taken up is left out. Some must not be lost: they are *kept*, before the transaction that brings
them is answered.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from synapse.api.errors import MatrixError
from synapse.storage.errors import OutcomeUnknown, Overloaded, Unavailable

logger = logging.getLogger(__name__)

# Takes up the `content` of an EDU that a server sent.
TakeUp = Callable[[str, dict[str, Any]], Awaitable[None]]
# The same for all of its type in a transaction, in their order.
Keep = Callable[[str, Sequence[dict[str, Any]]], Awaitable[None]]


class Edus:
    """Hands EDUs to who takes them up."""

    def __init__(self, by_type: Mapping[str, TakeUp], kept: Mapping[str, Keep]) -> None:
        self._by_type = by_type
        self._kept = kept

    async def keep(self, origin: str, edus: Sequence[Any]) -> None:
        """Take up those that must not be lost.

        Raises `Unavailable` and the like if the database is to blame, so that they come again.
        """
        by_type: dict[str, list[dict[str, Any]]] = {}
        for kind, content in _contents(edus):
            if kind in self._kept:
                by_type.setdefault(kind, []).append(content)
        for kind, contents in by_type.items():
            try:
                await self._kept[kind](origin, contents)
            except (OutcomeUnknown, Overloaded, Unavailable):
                raise
            except Exception:
                logger.exception("EDUs %s from %s can't be taken up", kind, origin)

    async def take_up(self, origin: str, edus: Sequence[Any]) -> None:
        """Take up the others, in their order. What is wrong with one concerns no other."""
        for kind, content in _contents(edus):
            take_up = self._by_type.get(kind)
            if take_up is None:
                continue
            try:
                await take_up(origin, content)
            except MatrixError as error:
                logger.info("The EDU %s from %s is refused: %s", kind, origin, error)
            except Exception:
                logger.exception("The EDU %s from %s can't be taken up", kind, origin)


def _contents(edus: Sequence[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The types and contents of those that have both."""
    for edu in edus:
        if isinstance(edu, dict):
            kind, content = edu.get("edu_type"), edu.get("content")
            if isinstance(kind, str) and isinstance(content, dict):
                yield kind, content
