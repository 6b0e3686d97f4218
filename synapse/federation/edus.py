"""EDUs: what servers tell each other in passing. Each type has one who takes it up.

Server-server API, "EDUs". They are not events: nobody asks for them again, and one that can't be
taken up is left out.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from synapse.api.errors import MatrixError

logger = logging.getLogger(__name__)

# Takes up the `content` of an EDU that a server sent.
TakeUp = Callable[[str, dict[str, Any]], Awaitable[None]]


class Edus:
    """Hands EDUs to who takes them up."""

    def __init__(self, by_type: Mapping[str, TakeUp]) -> None:
        self._by_type = by_type

    async def take_up(self, origin: str, edus: Sequence[Any]) -> None:
        """Take up EDUs in their order. What is wrong with one concerns no other."""
        for edu in edus:
            kind = edu.get("edu_type") if isinstance(edu, dict) else None
            take_up = self._by_type.get(kind) if isinstance(kind, str) else None
            content = edu.get("content") if take_up is not None else None
            if take_up is None or not isinstance(content, dict):
                continue
            try:
                await take_up(origin, content)
            except MatrixError as error:
                logger.info("The EDU %s from %s is refused: %s", kind, origin, error)
            except Exception:
                logger.exception("The EDU %s from %s can't be taken up", kind, origin)
