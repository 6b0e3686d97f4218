"""What stands in for the way to other servers in a process that has none."""

from typing import Any


class Unconnected:
    """A transport (`key_fetching.Transport`) that reaches nobody."""

    async def request(self, destination: str, method: str, path: str, *, json: Any = None) -> Any:
        raise ConnectionError(f"This server doesn't connect to others, so not to {destination}")
