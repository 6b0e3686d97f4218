"""A server joins a large room of another one: how long its client waits, and all others.

MEMBERS=5000 python -m twisted.trial tests.sizes.join

Both servers run in this process, on SQLite files, with real time and signatures; only sockets are
missing. Printed is a row for a join that asks for all of the state, and one for a join that leaves
out the members: how long the client waits, the bytes of the answer, how long it takes until all is
known, and the CPU time of the longest turn of the reactor in which the other server doesn't work.
"""

import os
import sys
import time
from typing import Any

from twisted.internet import reactor

from synapse.events.builder import build
from synapse.rooms.arrivals import Arrival
from synapse.util.clock import Clock
from tests.federation.rooms import ONE, THREE, TWO, SharedRoomTestCase, path
from tests.federation.servers import Link, is_quiet, key_of

MEMBERS = int(os.environ.get("MEMBERS", "5000"))
_AT_ONCE = 100


class JoinMeasurement(SharedRoomTestCase):
    only_sqlite = True
    timeout = 3600

    async def test_joins(self) -> None:
        self.clock = Clock(reactor)
        await self.arrange(ONE, TWO, THREE)
        for name in (ONE, TWO):
            self.network.sites[name]._check = None
        room_id = await self.create(name="Large", room_version="11")
        await self._fill(room_id)
        _row(f"{MEMBERS} members", "answer s", "kB", "all known s", "longest turn, CPU ms")
        for what in ("without members", "whole"):
            self.engines.pop(TWO, None)
            self.add_server(TWO)
            self.network.sites[TWO]._check = None
            self.tokens["bob"] = await self.register(TWO, "bob")
            await self._measure(what, room_id)
            await self.ask("bob", "POST", path(room_id, "/leave"), {})

    async def _fill(self, room_id: str) -> None:
        """Users of three.test join, one after the other."""
        receiver, cache = self.servers[ONE].rooms.receiver, self.servers[ONE].rooms.cache
        keys = ["m.room.create", "m.room.power_levels", "m.room.join_rules"]
        room = await cache.get(room_id)
        rules = [event for key in keys if (event := await cache.current(room, key)) is not None]
        arrivals: list[Arrival] = []
        last = room.tips[0]
        for number in range(MEMBERS):
            user_id = f"@user{number}:{THREE}"
            last = build(
                room.version,
                room_id=room_id,
                type="m.room.member",
                sender=user_id,
                state_key=user_id,
                content={"membership": "join", "displayname": f"User {number}"},
                prev_events=[last],
                auth_events=rules,
                depth=last.depth + 1,
                origin_server_ts=self.clock.now_ms(),
                server_name=THREE,
                key=key_of(THREE),
                event_id_localpart=None,
            )
            arrivals.append(Arrival(last, rules, frozenset({THREE})))
            if len(arrivals) == _AT_ONCE or number == MEMBERS - 1:
                await receiver.receive(room_id, arrivals)
                arrivals.clear()

    async def _measure(self, what: str, room_id: str) -> None:
        link = self.network.links[TWO]
        assert isinstance(link, Link)
        sizes: list[int] = []
        request = link.request

        async def measured(*args: Any, **options: Any) -> Any:
            if "send_join" in args[2]:
                decode = options["decode"]
                if what == "whole":
                    options["query"] = None

                def count(body: bytes) -> Any:
                    sizes.append(len(body))
                    return decode(body)

                options["decode"] = count
            return await request(*args, **options)

        ticks = _Ticks(self.clock)
        fetch = link.fetch

        async def unmeasured(*args: Any, **options: Any) -> Any:
            ticks.is_counting = False
            try:
                return await fetch(*args, **options)
            finally:
                ticks.is_counting = True

        link.request = measured  # type: ignore[method-assign]
        link.fetch = unmeasured  # type: ignore[method-assign]
        began = time.perf_counter()
        await self.join("bob", room_id, ONE)
        answered = time.perf_counter() - began
        while not is_quiet(self.servers[TWO]):
            await self.clock.sleep(0.01)
        done = time.perf_counter() - began
        longest = ticks.stop()
        room = await self.room(TWO, room_id)
        self.assertFalse(room.is_partial)
        self.assertEqual(room.joined, MEMBERS + 2)
        numbers = answered, sizes[0] / 1024, done, longest * 1000
        _row(what, *(f"{number:.2f}" for number in numbers))


def _row(*cells: str) -> None:
    sys.stdout.write("\n" + "".join(f"{cell:>22}" for cell in cells))


class _Ticks:
    """The longest turn of the reactor, in CPU time: the machine may have other work."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._longest = 0.0
        self._last = time.thread_time()
        self._is_counting = True
        self._call = clock.call_later(0, self._tick)

    @property
    def is_counting(self) -> bool:
        return self._is_counting

    @is_counting.setter
    def is_counting(self, is_counting: bool) -> None:
        self._is_counting = is_counting
        self._last = time.thread_time()

    def _tick(self) -> None:
        now = time.thread_time()
        if self._is_counting:
            self._longest = max(self._longest, now - self._last)
        self._last = now
        self._call = self._clock.call_later(0, self._tick)

    def stop(self) -> float:
        self._call.cancel()
        return self._longest
