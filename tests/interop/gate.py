"""What stands between two real servers, so that a test can cut them off from each other."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any


class Gate:
    """A port of loopback whose connections lead to another one while the gate is open.

    It passes bytes on as they are, so what goes through it is encrypted from end to end.
    """

    def __init__(self, port: int, inner_port: int) -> None:
        self._port = port
        self._inner_port = inner_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def open(self) -> None:
        self._run(self._open())

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._run(self._cut())

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _open(self) -> None:
        if self._server is None:
            hosts = ["127.0.0.1", "::1"]
            self._server = await asyncio.start_server(self._passed, hosts, self._port)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.01)

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", self._inner_port)
        except OSError:  # the server behind the gate is down
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(inner)
        try:
            await asyncio.gather(_pump(reader, inner), _pump(inner_reader, writer))
        finally:
            self._writers -= {writer, inner}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
