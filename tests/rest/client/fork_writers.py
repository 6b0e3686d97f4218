"""Another server that says things at random places of rooms' graphs, late and out of order."""

import random
from typing import Any

from tests.rest.remote import MOD, ROB, RemoteRoom
from tests.rest.rooms import RoomTestCase


class ForkWriters(RoomTestCase):
    """For property tests: `remote_step` now and then, after `meet_remotes`."""

    random: random.Random
    seed: int

    @property
    def version(self) -> str:
        return ("10", "12")[self.seed % 2]

    async def create_room(self, host: str) -> str:
        return await self.create_public(
            host,
            room_version=self.version,
            power_level_content_override={"state_default": 0, "users": self._levels()},
        )

    async def meet_remotes(self, room_ids: list[str]) -> None:
        self.remotes = [await RemoteRoom.of(self.server, room_id) for room_id in room_ids]
        for remote in self.remotes:
            for user in (MOD, ROB):
                await remote.deliver(self.server, remote.model.join(user))

    async def remote_step(self) -> None:
        remote = self.random.choice(self.remotes)
        if self.random.random() < 0.5:
            await remote.listen(self.server)
            known = list(remote.model.events)[6:]
            after = {self.random.choice(known[-15:]) for _ in range(self.random.choice((1, 1, 2)))}
            remote.say(*self._anything(), sorted(after))
        elif ready := remote.known_by_auth() if self.random.random() < 0.2 else []:
            await remote.keep(self.server, self.random.choice(ready))
        elif ready := remote.ready():
            await remote.deliver(self.server, self.random.choice(ready))

    def _anything(self) -> tuple[str, str, Any, str | None]:
        kind = self.random.choice(
            ["say", "topic", "topic", "name", "rule", "ban", "ban", "unban", "levels", "join"]
        )
        sender = self.random.choice((MOD, MOD, ROB))
        victim = f"@{self.random.choice(('bob', 'carol'))}{self.seed}:test"
        if kind in ("topic", "name"):
            return f"m.room.{kind}", sender, {kind: str(self.random.random())}, ""
        if kind == "rule":
            rule = self.random.choice(("public", "public", "invite"))
            return "m.room.join_rules", sender, {"join_rule": rule}, ""
        if kind in ("ban", "unban"):
            membership = "ban" if kind == "ban" else "leave"
            return "m.room.member", MOD, {"membership": membership}, victim
        if kind == "levels":
            users = {**self._levels(), ROB: self.random.choice((0, 50))}
            default = self.random.choice((0, 0, 30))
            return "m.room.power_levels", MOD, {"users": users, "state_default": default}, ""
        if kind == "join":
            membership = self.random.choice(("join", "leave"))
            return "m.room.member", ROB, {"membership": membership}, ROB
        return "m.room.message", sender, {"body": "hello"}, None

    def _levels(self) -> dict[str, int]:
        # The creator of a version 12 room is above all levels.
        alice = {f"@alice{self.seed}:test": 100} if self.version == "10" else {}
        return {MOD: 100, **alice}

    async def live(self, event_ids: list[str]) -> list[str]:
        """Those of the events that came as news."""
        events = await self.server.stores.events.get_many(event_ids)
        return [event_id for event_id in event_ids if events[event_id].live]

    async def untold(self, room_id: str) -> set[tuple[str, str]]:
        """Slots that a client may take for filled although nothing fills them any more."""
        rows = await self.database.fetch(
            """SELECT t.name, k.name FROM flips f JOIN rooms r ON r.room_nid = f.room_nid
               JOIN slots s ON s.slot_nid = f.slot_nid JOIN names t ON t.nid = s.type_nid
               JOIN names k ON k.nid = s.key_nid WHERE r.room_id = ? AND f.event_nid = 0""",
            room_id,
        )
        return {(type_, key) for type_, key in rows}

    async def flips(self) -> int:
        """How many there have been."""
        ((count,),) = await self.database.fetch("SELECT count(*) FROM flips")
        return int(count)
