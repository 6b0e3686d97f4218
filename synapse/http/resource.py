"""`Resource`: one class per endpoint."""

from typing import ClassVar

MEBIBYTE = 1024 * 1024


class Resource:
    """An endpoint of the server, at one or several paths.

    A subclass has an `async` method for each HTTP method it answers, with the request and the
    path's parameters, percent-decoded, as keyword arguments:

        class Typing(Resource):
            PATHS = client_paths("/rooms/{room_id}/typing/{user_id}")

            async def put(self, request: Request, room_id: str, user_id: str) -> Json: ...

    The methods are `get`, `put`, `post`, `delete`. HEAD is answered by `get`, without the body;
    OPTIONS by the server.
    """

    PATHS: ClassVar[tuple[str, ...]] = ()
    # A longer body is refused with 413, before it is read if its length is known.
    MAX_BODY_BYTES: ClassVar[int] = MEBIBYTE


def client_paths(
    path: str,
    *,
    versions: tuple[str, ...] = ("r0", "v3"),
    unstable: bool = True,
    api_v1: bool = False,
) -> tuple[str, ...]:
    """The paths under which clients of all ages look for an endpoint of the client API.

    The oldest ones know only `api/v1`, and those of the time before r0.1 `unstable`.
    """
    prefixes = list(versions)
    if unstable:
        prefixes.append("unstable")
    if api_v1:
        prefixes.append("api/v1")
    return tuple(f"/_matrix/client/{prefix}{path}" for prefix in prefixes)
