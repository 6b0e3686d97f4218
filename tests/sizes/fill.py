"""Fills a new server's database: `python -m tests.sizes.fill DIRECTORY [--members N] …`.

Accounts, rooms and events go the way that a client's would, from the handlers and the room writer
down, but many at a time and without HTTP. `@u0` owns the crowded room and is in every other one.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, gatherResults

from synapse.api.constants import EventTypes
from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.config.cli import load
from synapse.crypto.signing import read_signing_keys
from synapse.handlers.passwords import HashingThreads
from synapse.handlers.room_presets import PRESETS, power_levels
from synapse.rooms.writer import Draft
from synapse.storage.database import open_database
from synapse.storage.engines import engine_for
from synapse.storage.stores.users import NewUser
from synapse.util.clock import Clock
from tests.interop.server import SERVER_NAME, ServerProcess
from tests.sizes.database import database_config, take_statistics
from tests.sizes.texts import Texts

_IN_FLIGHT = 500
_VERSION = ROOM_VERSIONS["10"]
_STATE_PER_ROOM = 8  # events of a new room, with the joins
CROWD, SPACE = "#crowd:test", "#space:test"
TOKENS = "tokens.json"
# Users whose access tokens are noted in TOKENS.
_LOGGED_IN = 20


@dataclass(frozen=True)
class Sizes:
    """How large it is to be."""

    members: int = 100_000
    rooms: int = 10_000
    events: int = 1_000_000

    @property
    def messages(self) -> int:
        return max(0, self.events - self.members - self.rooms * _STATE_PER_ROOM)


class Filler:
    """Makes what `Sizes` says."""

    def __init__(self, server: Server, sizes: Sizes) -> None:
        self._server = server
        self._sizes = sizes
        self._random = random.Random(1)
        self._texts = Texts(self._random)

    async def fill(self, directory: Path) -> None:
        sizes = self._sizes
        await _each("accounts", map(self._account, range(sizes.members)))
        tokens = [await self._token(n) for n in range(min(_LOGGED_IN, sizes.members))]
        (directory / TOKENS).write_text(json.dumps(tokens))
        take_statistics()
        crowd = await self._room(0, CROWD, {"name": "Crowd"}, published=True)
        await _each("members", (self._join(crowd, n) for n in range(1, sizes.members)))
        rooms: list[str] = []
        await _each("rooms", (self._small_room(n, rooms) for n in range(1, sizes.rooms)))
        space = await self._room(
            0, SPACE, {"name": "Space"}, creation={"type": "m.space"}, published=True
        )
        children = rooms[:500]
        await _each("children", (self._child(space, room_id) for room_id in children))
        await _each("messages", self._messages(crowd, rooms))
        take_statistics()
        _say("search and directory follow")
        await self._server.discovery.search_reader.catch_up()
        await self._server.discovery.directory_reader.catch_up()

    async def _account(self, n: int) -> None:
        name = f'"{self._texts.name()} {n}"'
        await self._server.stores.users.register(NewUser(_user(n), None, 0, name))

    async def _token(self, n: int) -> str:
        user = await self._server.stores.users.user(_user(n))
        assert user is not None, "it was made before"
        answer = await self._server.access.sessions.start(
            user.user_id, user.user_nid, device_id="SIZES", display_name=None, refreshable=False
        )
        return str(answer["access_token"])

    async def _room(
        self,
        creator: int,
        alias: str | None,
        named: dict[str, Any],
        *,
        creation: dict[str, Any] | None = None,
        published: bool = False,
    ) -> str:
        user = _user(creator)
        preset = PRESETS["public_chat"]
        content = {**(creation or {}), "room_version": _VERSION.identifier, "creator": user}
        drafts = [
            Draft(EventTypes.CREATE, user, content, ""),
            Draft(EventTypes.MEMBER, user, self._membership(creator), user),
            Draft(EventTypes.POWER_LEVELS, user, power_levels(_VERSION, user, preset, []), ""),
            Draft(EventTypes.JOIN_RULES, user, {"join_rule": "public"}, ""),
            Draft(EventTypes.HISTORY_VISIBILITY, user, {"history_visibility": "shared"}, ""),
            Draft(EventTypes.NAME, user, named, ""),
        ]
        room_id = f"!{self._random.getrandbits(80):020x}:{SERVER_NAME}"
        room = await self._server.rooms.writer.create(
            _VERSION, drafts, room_id, alias=alias, published=published
        )
        return room.room_id

    async def _small_room(self, n: int, rooms: list[str]) -> None:
        members = self._sizes.members
        name = {"name": f"{self._texts.name()} {n}"}
        room_id = await self._room(n % members, None, name, published=n % 10 == 0)
        rooms.append(room_id)
        for member in (0, (n * 7 + 1) % members):
            if member != n % members:
                await self._join(room_id, member)

    def _membership(self, n: int) -> dict[str, Any]:
        return {"membership": "join", "displayname": f"{self._texts.name()} {n}"}

    async def _join(self, room_id: str, n: int) -> None:
        draft = Draft(EventTypes.MEMBER, _user(n), self._membership(n), _user(n))
        await self._server.rooms.writer.send(room_id, draft)

    async def _child(self, space: str, room_id: str) -> None:
        content = {"via": [SERVER_NAME]}
        await self._server.rooms.writer.send(
            space, Draft("m.space.child", _user(0), content, state_key=room_id)
        )

    def _messages(self, crowd: str, rooms: list[str]) -> Iterable[Awaitable[None]]:
        """Two fifths in the crowded room, in between the others."""
        for n in range(self._sizes.messages):
            if n % 5 < 2:
                yield self._message(crowd, self._random.randrange(self._sizes.members))
            else:
                yield self._message(rooms[n % len(rooms)], 0)

    async def _message(self, room_id: str, n: int) -> None:
        content = {"msgtype": "m.text", "body": self._texts.text()}
        await self._server.rooms.writer.send(room_id, Draft(EventTypes.MESSAGE, _user(n), content))


def _user(n: int) -> str:
    return f"@u{n}:{SERVER_NAME}"


async def _each(what: str, work: Iterable[Awaitable[None]]) -> None:
    """Do all of it, with a bounded number under way."""
    started, count = time.monotonic(), 0
    items = iter(work)

    async def worker() -> None:
        nonlocal count
        for item in items:
            await item
            count += 1
            if count % 50_000 == 0:
                _say(f"{what}: {count:,} in {time.monotonic() - started:.0f} s")

    workers = [Deferred.fromCoroutine(worker()) for _ in range(_IN_FLIGHT)]
    await gatherResults(workers, consumeErrors=True)
    _say(f"{what}: {count:,} in {time.monotonic() - started:.0f} s")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(reactor: Any, directory: Path, sizes: Sizes) -> "Deferred[None]":
    ServerProcess(str(directory), database=database_config(create=True))
    os.chdir(directory)
    config = load(["-c", "homeserver.yaml", "-c", "overrides.yaml"]).config
    key = read_signing_keys(Path(config.keys.signing_key_path).read_text())[0]
    database = open_database(engine_for(config.database), SERVER_NAME, reactor)
    threads = HashingThreads(reactor)
    server = Server(config, database, Clock(reactor), threads, key)

    async def fill() -> None:
        await Filler(server, sizes).fill(directory)
        await server.background.finish()
        threads.stop()
        await database.close()
        take_statistics()

    return Deferred.fromCoroutine(fill())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="a new server's; it may exist if it is empty")
    for name in ("members", "rooms", "events"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Sizes, name))
    return parser.parse_args()


if __name__ == "__main__":
    wanted = _arguments()
    wanted.directory.mkdir(parents=True, exist_ok=True)
    task.react(
        main, (wanted.directory.resolve(), Sizes(wanted.members, wanted.rooms, wanted.events))
    )
