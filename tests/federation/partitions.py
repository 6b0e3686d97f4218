"""Three servers whose links are cut and heal, with one room that all of them are in."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from twisted.internet import reactor

from synapse.config.federation import FederationConfig, FederationRetries
from synapse.events.event import Event
from synapse.util.clock import Clock
from tests.federation.rooms import ONE, THREE, TWO, V3, SharedRoomTestCase, path
from tests.federation.servers import is_quiet

RESIDENTS = ("alice", "bob", "carol")
_LONGEST_PAUSE_S = 20


class PartitionTestCase(SharedRoomTestCase):
    """alice, bob and carol have all rights, and stay."""

    async def arrange_room(self, version: str, *others: str) -> None:
        """The room; `others` are on the servers in turn, and join it too."""
        retries = FederationRetries(
            max_short_retries=0,  # the clock stands still while a request waits
            destination_min_retry_interval_ms=5_000,
            destination_max_retry_interval_ms=_LONGEST_PAUSE_S * 1000,
        )
        federation = replace(FederationConfig(), retries=retries)
        await self.arrange(ONE, TWO, THREE, federation=federation)
        await self.start_sending()
        for number, name in enumerate(others):
            home = (ONE, TWO, THREE)[number % 3]
            self.homes[name] = home
            self.tokens[name] = await self.register(home, name)
        self.room_id = await self.create(room_version=version)
        for name in ("bob", "carol", *others):
            await self.join(name, self.room_id, ONE)
        await self.rest()
        self.baseline = await self.accepted(ONE)
        await self.set_levels("alice", dict.fromkeys(RESIDENTS, 100))
        await self.rest()

    # What users do.

    async def set_state(self, name: str, type: str, content: Any, key: str = "") -> int:
        """The answer's status, which may say that it isn't allowed."""
        url = path(self.room_id, f"/state/{type}/{quote(key)}")
        return await self.tries(name, "PUT", url, content)

    async def set_levels(self, name: str, users: dict[str, int], **more: Any) -> int:
        """Change some levels; the others stay."""
        url = path(self.room_id, "/state/m.room.power_levels/")
        content = await self.ask(name, "GET", url)
        content["users"] |= {
            self.user(user): level
            for user, level in users.items()
            # Since version 12 a room's creator has no level.
            if not (user == "alice" and self.user(user) not in content["users"])
        }
        return await self.tries(name, "PUT", url, content | more)

    async def act(self, name: str, action: str, target: str = "") -> int:
        """`action` is `ban`, `kick`, `join`, …"""
        body = {"user_id": self.user(target)} if target else {}
        return await self.tries(name, "POST", path(self.room_id, f"/{action}"), body)

    async def rename(self, name: str, display_name: str) -> int:
        content = {"membership": "join", "displayname": display_name}
        return await self.set_state(name, "m.room.member", content, self.user(name))

    async def tries(self, name: str, method: str, url: str, json: Any) -> int:
        answer = await self.fetch(self.homes[name], method, url, json, token=self.tokens[name])
        # An invitation across a link that is cut can't be made.
        allowed = {502} if url.endswith("/invite") else set()
        if answer.status not in allowed:
            self.assertLess(answer.status, 500, f"{name} {method} {url}: {answer}")
        return answer.status

    # The links.

    def cut(self, *pairs: tuple[str, str]) -> None:
        self.network.cut |= {frozenset(pair) for pair in pairs}

    async def work(self) -> None:
        """Let the servers work for a moment, which may not be enough."""
        for _ in range(20):
            await Clock(reactor).sleep(0)
            self.time.advance(0)

    async def rest(self) -> None:
        """Let the servers work until nothing is left to be done, trying again included."""
        quiet = 0
        while quiet < 3:
            await Clock(reactor).sleep(0.002 if self.on_postgres else 0)
            self.time.advance(0)
            quiet = quiet + 1 if all(map(is_quiet, self.servers.values())) else 0

    async def heal(self) -> None:
        """All links work again; when this returns, the forks have met."""
        self.network.heal()
        for _ in range(4):
            self.time.advance(_LONGEST_PAUSE_S)
            await self.rest()
        # What came when its history could not be asked for is tried again.
        self.time.advance(3600)
        await self.rest()
        for name in RESIDENTS:
            await self.say(name, self.room_id)
            await self.rest()

    # What has become of it.

    async def accepted(self, server: str) -> set[str]:
        """What has a place in a server's timeline."""
        return {event.event_id for event in await self.timeline(server)}

    async def timeline(self, server: str) -> list[Event]:
        room = await self.room(server, self.room_id)
        return await self.servers[server].stores.events.after(room.nid, -(2**60), 10_000)

    async def aside(self, server: str, event_ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """Those of some events that a server soft-failed, and that it rejected."""
        events = await self.servers[server].stores.events.get_many(event_ids)
        return (
            {event_id for event_id, event in events.items() if event.soft_failed},
            {event_id for event_id, event in events.items() if event.rejected},
        )

    async def assert_agreement(self) -> set[str]:
        """All servers have the same graph and state; the events that some soft-failed.

        A server may keep an event out of its timeline that others show: when it came, the room's
        state there forbade it. But it is in the graph there, too, and counts in states.
        """
        timelines = {name: await self.accepted(name) - self.baseline for name in self.servers}
        everything = set.union(*timelines.values())
        failed: set[str] = set()
        for name, timeline in timelines.items():
            soft_failed, rejected = await self.aside(name, list(everything))
            self.assertEqual(rejected, set(), name)
            self.assertEqual(timeline | soft_failed, everything, name)
            self.assertEqual(timeline & soft_failed, set(), name)
            failed |= soft_failed
        states = {name: await self.state_ids(name, self.room_id) for name in self.servers}
        tips = {
            name: [tip.event_id for tip in (await self.room(name, self.room_id)).tips]
            for name in self.servers
        }
        for name in self.servers:
            self.assertEqual(states[name], states[ONE], name)
            self.assertEqual(tips[name], tips[ONE][:1], name)
            staged = await self.servers[name].database.fetch("SELECT event_id FROM staged_events")
            self.assertEqual(staged, [], name)
        await self.assert_synced(states[ONE])
        return failed

    async def assert_synced(self, state: dict[tuple[str, str], str]) -> None:
        """Clients of all servers are shown this state."""
        for name in RESIDENTS:
            shown = await self.ask(name, "GET", path(self.room_id, "/state"))
            self.assertEqual(_ids(shown), state, name)
            synced = await self.sync(name)
            joined = synced["rooms"]["join"][self.room_id]
            self.assertEqual(_ids(joined["state_after"]["events"]), state, name)

    async def sync(self, name: str, since: str | None = None) -> Any:
        query = {"use_state_after": "true", "filter": '{"room":{"timeline":{"limit":50}}}'}
        if since is not None:
            query["since"] = since
        return await self.ask(name, "GET", f"{V3}/sync?{urlencode(query)}")


class Follower:
    """A client that keeps a room's state by what `/sync` tells, from its first sync on."""

    def __init__(self, test: PartitionTestCase, name: str) -> None:
        self._test = test
        self._name = name
        self._since: str | None = None
        self.state: dict[tuple[str, str], str] = {}

    async def follow(self) -> None:
        answer = await self._test.sync(self._name, self._since)
        self._since = answer["next_batch"]
        room = answer.get("rooms", {}).get("join", {}).get(self._test.room_id)
        if room is not None:
            self.state |= _ids(room["state_after"]["events"])


class Walk:
    """Users of all servers do what comes to their minds, while links are cut and heal."""

    def __init__(
        self, test: PartitionTestCase, chance: random.Random, guests: Sequence[str]
    ) -> None:
        self._test = test
        self._random = chance
        self._guests = guests

    async def step(self) -> None:
        pick = self._random.random()
        if pick < 0.12:
            pairs = [(ONE, TWO), (ONE, THREE), (TWO, THREE)]
            self._test.network.cut.clear()
            self._test.cut(*self._random.sample(pairs, self._random.randint(0, 3)))
        elif pick < 0.3:
            self._test.time.advance(self._random.choice((1, 10, 30)))
            await self._test.work()
        else:
            await self._do(self._random.choice((*RESIDENTS, *self._guests)))
            if self._random.random() < 0.5:
                await self._test.work()

    async def _do(self, name: str) -> None:
        test, chance = self._test, self._random
        guest = chance.choice(self._guests)
        number = chance.randint(0, 1000)
        match chance.randint(0, 9):
            case 0:
                await test.rename(name, f"{name} {number}")
            case 1:
                await test.set_state(name, "m.room.topic", {"topic": str(number)})
            case 2:
                levels = {guest: chance.choice((0, 50, 100))}
                await test.set_levels(
                    chance.choice(RESIDENTS), levels, state_default=chance.choice((0, 50))
                )
            case 3:
                await test.act(name, chance.choice(("kick", "ban")), guest)
            case 4:
                await test.act(name, "unban", guest)
            case 5:
                await test.act(guest, chance.choice(("join", "join", "leave")))
            case 6:
                await self._redact(name)
            case 7:
                rule = chance.choice(("public", "public", "invite"))
                await test.set_state(name, "m.room.join_rules", {"join_rule": rule})
            case 8:
                await test.act(name, "invite", guest)
            case _:
                url = path(test.room_id, f"/send/m.room.message/walk{number}")
                await test.tries(name, "PUT", url, {"msgtype": "m.text", "body": str(number)})

    async def _redact(self, name: str) -> None:
        test = self._test
        timeline = await test.timeline(test.homes[name])
        event = self._random.choice([e for e in timeline if e.event_id not in test.baseline])
        if event.type == "m.room.message":
            url = path(test.room_id, f"/redact/{quote(event.event_id, safe='')}/{event.nid}")
            await test.tries(name, "PUT", url, {})


def _ids(events: Sequence[Any]) -> dict[tuple[str, str], str]:
    return {(event["type"], event["state_key"]): event["event_id"] for event in events}
