"""A room with many members on other servers: what they ask of it, and what forks of it cost.

    python -m tests.sizes.federation [--members N]

On SQLite, or inside `python -m tests.postgres -- …`. The answers are made by the parts that make
them, without HTTP. A tick is how long nothing else had its turn: by the clock, and in CPU time of
the reactor's thread, without what other threads and processes took from it.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.app.wiring import Server
from synapse.crypto.signing import SigningKey
from synapse.events.auth_selection import auth_slots
from synapse.events.builder import build
from synapse.events.event import Event, StateMap
from synapse.federation.helpers import Helpers
from synapse.federation.remote_graph import RemoteGraph
from synapse.federation.wire import Unconnected
from synapse.rooms.arrivals import Arrival
from synapse.rooms.writer import Draft
from synapse.storage.database import Database, open_database
from synapse.storage.engines.base import Engine
from synapse.storage.engines.sqlite import SqliteEngine
from synapse.util.clock import Clock
from tests.rest.base import AtOnce, default_config
from tests.storage.fresh import (
    POSTGRES,
    SERVER_NAME,
    administer,
    migrated_postgres,
    sqlite_template,
)

KEY = SigningKey.from_line("ed25519 a_else " + "B" * 43)
ALICE = "@alice:" + SERVER_NAME
_SERVERS = 300
_CHUNK = 100
# Without a pause, the CPU time would be that of looking at the clock.
_RESOLUTION_S = 0.001


class Ticks:
    """Notes the longest time in which the reactor had no turn."""

    def __init__(self) -> None:
        self.longest_s = self.longest_cpu_s = 0.0
        self._last = self._last_cpu = 0.0
        self._loop = task.LoopingCall(self._tick)

    def begin(self) -> None:
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()
        self.longest_s = self.longest_cpu_s = 0.0
        if not self._loop.running:
            self._loop.start(_RESOLUTION_S, now=False)

    def end(self) -> None:
        self._tick()
        self._loop.stop()

    def _tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        self.longest_s = max(self.longest_s, now - self._last)
        self.longest_cpu_s = max(self.longest_cpu_s, cpu - self._last_cpu)
        self._last, self._last_cpu = now, cpu


class LargeRoom:
    """A room of Alice's, with members of many other servers."""

    def __init__(self, server: Server, version: str) -> None:
        self.server = server
        self.version = ROOM_VERSIONS[version]
        self.ticks = Ticks()
        self.made = 0
        self.last: Event | None = None
        self.state: StateMap = {}

    async def create(self) -> None:
        content: dict[str, Any] = {"room_version": self.version.identifier}
        if not self.version.implicit_creator:
            content["creator"] = ALICE
        levels = {} if self.version.privileged_creators else {ALICE: 100}
        levels |= {"@u0:s0.test": 50, "@u1:s1.test": 50}
        drafts = [
            Draft("m.room.create", ALICE, content, ""),
            Draft("m.room.member", ALICE, {"membership": "join"}, ALICE),
            Draft("m.room.power_levels", ALICE, {"users": levels}, ""),
            Draft("m.room.join_rules", ALICE, {"join_rule": "public"}, ""),
        ]
        room = await self.server.rooms.writer.create(self.version, drafts, "!large:test")
        self.room_id, self.room_nid = room.room_id, room.nid
        events = await self.server.stores.events.after(room.nid, -(2**60), 100)
        self.state = {event.slot: event for event in events}
        self.last = events[-1]

    def event(
        self, type: str, sender: str, content: Any, state_key: str | None, prev: Sequence[Event]
    ) -> Event:
        """An event that the other servers make."""
        self.made += 1
        slots = auth_slots(type, state_key, sender, content, self.version)
        return build(
            self.version,
            room_id=self.room_id,
            type=type,
            sender=sender,
            state_key=state_key,
            content=content,
            prev_events=prev,
            auth_events=[self.state[slot] for slot in slots if slot in self.state],
            depth=1 + max(event.depth for event in prev),
            origin_server_ts=1_700_000_000_000 + self.made,
            server_name=sender.partition(":")[2],
            key=KEY,
            event_id_localpart=f"e{self.made}" if self.version.events_have_ids else None,
        )

    def arrival(self, event: Event) -> Arrival:
        content = event.content
        slots = auth_slots(event.type, event.state_key, event.sender, content, self.version)
        cited = [self.state[slot] for slot in slots if slot in self.state]
        return Arrival(event, cited, frozenset({event.sender.partition(":")[2]}))

    async def receive(self, *events: Event) -> None:
        arrivals = [self.arrival(event) for event in events]
        verdicts = await self.server.rooms.receiver.receive(self.room_id, arrivals)
        assert {verdict.value for verdict in verdicts} == {"accepted"}, verdicts

    async def fill(self, members: int) -> None:
        """Let users of other servers join."""
        waiting: list[Event] = []
        for number in range(members):
            user_id = f"@u{number}:s{number % _SERVERS}.test"
            content = {"membership": "join", "displayname": f"User {number}"}
            assert self.last is not None
            join = self.event("m.room.member", user_id, content, user_id, [self.last])
            waiting.append(join)
            self.last = join
            if len(waiting) == _CHUNK:
                await self.receive(*waiting)
                self.state.update((event.slot, event) for event in waiting)
                waiting = []
        if waiting:
            await self.receive(*waiting)
            self.state.update((event.slot, event) for event in waiting)

    # What is measured

    async def measure(self, what: str, work: Callable[[], Awaitable[int]]) -> None:
        self.ticks.begin()
        wall, cpu, memory = time.perf_counter(), time.process_time(), _peak_mb()
        size = await work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.ticks.end()
        tick, tick_cpu = self.ticks.longest_s, self.ticks.longest_cpu_s
        sys.stdout.write(
            f"{what:34} {wall * 1000:8.0f} {cpu * 1000:8.0f}"
            f" {tick * 1000:8.1f} {tick_cpu * 1000:8.1f}"
            f" {size / 1e6:8.1f} {_peak_mb() - memory:8.0f}\n"
        )
        sys.stdout.flush()

    async def told(self, message: Event) -> None:
        """The answers to questions about the state before an event."""
        states, origin = self.server.answering.states, "s1.test"
        message_id = message.event_id

        async def state_ids() -> int:
            ids, chain = await states.ids_before(origin, self.room_id, message_id)
            return 48 * (len(ids) + len(chain))

        async def state() -> int:
            return await _taken(await states.before(origin, self.room_id, message_id))

        await self.measure("/state_ids", state_ids)
        await self.measure("/state", state)
        await self.hear(message)

    async def hear(self, message: Event) -> None:
        """What a state costs that another server tells, if we have its events."""
        server = self.server
        states, room_id = server.answering.states, self.room_id

        class Mirror(Unconnected):
            async def request(self, *question: Any, **options: Any) -> Any:
                ids, chain = await states.ids_before("s1.test", room_id, message.event_id)
                return {"pdu_ids": ids, "auth_chain_ids": chain}

        graph = RemoteGraph(
            Mirror(),
            server.federation.pdus,
            server.federation.outliers,
            Helpers(server.rooms.servers, server.federation.backoffs, server.clock),
            server.stores.events,
            server.stores.slots,
            server.stores.states,
            Clock(reactor),
        )
        room = await server.rooms.cache.get(room_id)

        async def ask() -> int:
            await graph.state_before("s1.test", room, message.event_id)
            return 0

        await self.measure("/state_ids, asked and answered", ask)

    async def join(self, *, omit_members: bool) -> None:
        """The answer to a join of one more."""
        user_id = f"@late{self.made}:s1.test"
        room = await self.server.rooms.cache.get(self.room_id)
        content = {"membership": "join"}
        join = self.event("m.room.member", user_id, content, user_id, room.tips)
        await self.receive(join)
        committed = await self.server.stores.events.get(join.event_id)
        assert committed is not None
        answers = self.server.hosting.join_answers

        async def answer() -> int:
            return await _taken(await answers.answer(room, committed, omit_members=omit_members))

        name = "/send_join, without members" if omit_members else "/send_join"
        await self.measure(name, answer)

    async def forks(self, count: int) -> None:
        """Events beside the newest ones: messages, topics and members on both sides."""
        room = await self.server.rooms.cache.get(self.room_id)
        base = room.tips[0]
        kinds: list[tuple[str, str, Any, str | None]] = [
            ("m.room.message", "@u0:s0.test", {"body": "x"}, None),
            ("m.room.topic", "@u0:s0.test", {"topic": "x"}, ""),
            (
                "m.room.member",
                "@u2:s2.test",
                {"membership": "join", "displayname": "x"},
                "@u2:s2.test",
            ),
            ("m.room.topic", "@u1:s1.test", {"topic": "y"}, ""),
        ]
        for type, sender, content, key in kinds:
            left = self.event("m.room.topic", "@u1:s1.test", {"topic": "left"}, "", [base])
            await self.receive(left)
            tip: Event = base

            async def fork(
                type: str = type,
                sender: str = sender,
                content: Any = content,
                key: str | None = key,
            ) -> int:
                nonlocal tip
                for number in range(count):
                    body = {**content, "n": number}
                    tip = self.event(type, sender, body, key, [tip])
                    await self.receive(tip)
                return 0

            await self.measure(
                f"{count} forked {type.removeprefix('m.room.')} by {sender[:3]}", fork
            )
            room = await self.server.rooms.cache.get(self.room_id)
            merge = self.event("m.room.message", "@u0:s0.test", {"body": "m"}, None, room.tips)
            await self.receive(merge)
            base = merge


async def _taken(pieces: AsyncIterator[bytes]) -> int:
    """The size of an answer, taken at the pace of a connection."""
    clock = Clock(reactor)
    size = 0
    async for piece in pieces:
        size += len(piece)
        await clock.sleep(0)
    return size


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _engine(directory: Path) -> Engine:
    if POSTGRES is not None:
        return migrated_postgres().engine
    path = directory / "homeserver.db"
    shutil.copyfile(sqlite_template(), path)
    return SqliteEngine(str(path))


async def measure(database: Database, members: int, version: str) -> None:
    server = Server(default_config(), database, Clock(reactor), AtOnce(), KEY)
    room = LargeRoom(server, version)
    await room.create()
    began = time.perf_counter()
    await room.fill(members)
    sys.stdout.write(
        f"{members} members of version {version} in {time.perf_counter() - began:.0f} s\n"
    )
    assert room.last is not None
    message = room.event("m.room.message", "@u0:s0.test", {"body": "x"}, None, [room.last])
    await room.receive(message)
    await database.close()
    if POSTGRES is not None:
        administer("VACUUM ANALYZE", migrated_postgres().name)
    columns = "wall ms", "CPU ms", "tick ms", "tick CPU", "MB", "peak +MB"
    sys.stdout.write(" " * 34 + "".join(f" {name:>8}" for name in columns) + "\n")
    # As after a restart: nothing is in memory.
    database = open_database(database.engine, SERVER_NAME, reactor)
    room.server = server = Server(default_config(), database, Clock(reactor), AtOnce(), KEY)
    await room.told(message)
    for omit_members in (False, False, True):
        await room.join(omit_members=omit_members)
    await room.forks(10)
    server.streams.typing.close()
    server.rooms.fork_merging.stop()
    await server.background.finish()
    await database.close()


def main(_: Any, members: int, version: str) -> "Deferred[None]":
    directory = Path(tempfile.mkdtemp(prefix="sizes-"))
    database = open_database(_engine(directory), SERVER_NAME, reactor)
    done = Deferred.fromCoroutine(measure(database, members, version))

    def tidy(result: Any) -> Any:
        shutil.rmtree(directory)
        return result

    return done.addBoth(tidy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--version", default="10", choices=ROOM_VERSIONS)
    wanted = parser.parse_args()
    task.react(main, (wanted.members, wanted.version))
