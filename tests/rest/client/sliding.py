"""Requests of sliding sync, for tests."""

from typing import Any
from urllib.parse import urlencode

from tests.rest.rooms import RoomTestCase

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


def a_list(*ranges: tuple[int, int], limit: int = 10, **more: Any) -> dict[str, Any]:
    """The configuration of a list."""
    return {
        "ranges": [list(pair) for pair in ranges] or [[0, 99]],
        "timeline_limit": limit,
        "required_state": [],
        **more,
    }


class SlidingTestCase(RoomTestCase):
    async def sliding(
        self, token: str, pos: str | None = None, *, timeout: int = 0, **body: Any
    ) -> Any:
        return await self.ok("POST", sliding_path(pos, timeout), body, token=token)

    async def rooms(self, token: str, pos: str | None = None, **body: Any) -> Any:
        """The rooms of an answer to a request for one list."""
        lists = {"all": a_list(**body)}
        return (await self.sliding(token, pos, lists=lists))["rooms"]


def sliding_path(pos: str | None = None, timeout: int = 0) -> str:
    query: dict[str, Any] = {"timeout": timeout}
    if pos is not None:
        query["pos"] = pos
    return f"{PATH}?{urlencode(query)}"


def slots(part: Any) -> set[tuple[str, str]]:
    """What state a room's part tells of."""
    return {(event["type"], event["state_key"]) for event in part.get("required_state", [])}
