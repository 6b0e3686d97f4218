"""Small resources for tests of the server."""

from collections.abc import AsyncIterator
from typing import ClassVar

from twisted.internet.defer import Deferred

from synapse.api.errors import Forbidden
from synapse.http.request import Request
from synapse.http.resource import Resource
from synapse.http.response import Json, RawJson, Response
from synapse.http.routing import Router
from tests.http.client import FakeSite


class Echo(Resource):
    """Says what it was sent."""

    PATHS: ClassVar[tuple[str, ...]] = ("/echo",)
    MAX_BODY_BYTES = 1000

    async def get(self, request: Request) -> Json:
        return {"query": request.query.string("q"), "ip": request.client_ip, "id": request.id}

    async def post(self, request: Request) -> Json:
        return {"body": request.body.decode("latin-1")}

    async def put(self, request: Request) -> Json:
        return {"json": request.json.raw}


class Poll(Resource):
    """Answers when the test says so, and ends when the client goes."""

    PATHS: ClassVar[tuple[str, ...]] = ("/poll",)

    def __init__(self) -> None:
        self.waiting: list[Deferred[Json]] = []
        self.cancelled = 0

    async def get(self, request: Request) -> Json:
        request.cancel_on_disconnect()
        return await self._wait()

    async def post(self, request: Request) -> Json:
        """The same, but goes on whether or not the client waits."""
        return await self._wait()

    async def _wait(self) -> Json:
        def count(_: object) -> None:
            self.cancelled += 1

        waiting: Deferred[Json] = Deferred(count)
        self.waiting.append(waiting)
        return await waiting


class Broken(Resource):
    PATHS: ClassVar[tuple[str, ...]] = ("/broken",)

    async def get(self, request: Request) -> Json:
        raise RuntimeError("a secret of the inside")

    async def post(self, request: Request) -> Json:
        raise Forbidden("Not for you")

    async def delete(self, request: Request) -> Json:
        raise Forbidden("\ud800")


class Bodies(Resource):
    """Bodies of all kinds."""

    PATHS: ClassVar[tuple[str, ...]] = ("/bodies/{kind}",)

    async def get(self, request: Request, kind: str) -> Json:
        if kind == "raw":
            return RawJson(b'{"raw":1}')
        if kind == "large":
            return Response(body=b"x" * 300_000, content_type="text/plain")
        if kind == "pieces":
            return Response(body=[b'{"a":', b"1", b"}"])
        if kind == "stream":
            return Response(body=_letters(), content_type="text/plain")
        if kind == "short":
            return Response(body=_letters(), content_type="text/plain", length=99)
        if kind == "failing":
            return Response(body=_failing(), content_type="text/plain")
        return Response(302, headers=[("Location", f"/{kind}\r\nX-Evil: 1")])


async def _letters() -> AsyncIterator[bytes]:
    for letter in (b"a", b"b", b"", b"c"):
        yield letter


async def _failing() -> AsyncIterator[bytes]:
    yield b"a"
    raise RuntimeError("halfway")


def router(*more: Resource) -> Router:
    return Router([Echo(), Broken(), Bodies(), *more])


def site(*more: Resource) -> FakeSite:
    return FakeSite(router(*more))
