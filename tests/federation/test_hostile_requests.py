"""Requests about memberships that make no sense: an error for each, and never ours."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson

from synapse.app.resources.hosting import hosting_resources
from tests.federation.rooms import ONE, TWO
from tests.federation.test_admissions import AdmissionTestCase
from tests.rest.hostile import STRANGE_STRINGS, WRONG_VALUES

STRANGE_PARTS = ("%00", "a%2Fb", "%ff", "x" * 5_000, "%F0%9F%92%A9" * 80, "@:", "!", "$", "%20")


def variations(good: Any) -> Iterator[Any]:
    """The value with one thing wrong in it."""
    for key, value in good.items():
        yield {k: v for k, v in good.items() if k != key}
        for wrong in (*WRONG_VALUES, *STRANGE_STRINGS):
            yield {**good, key: wrong}
        if isinstance(value, dict):
            for changed in variations(value):
                yield {**good, key: changed}


class HostileRequestTests(AdmissionTestCase):
    async def arrange(self, *names: str, **sections: Any) -> None:
        await super().arrange(*names, **sections)
        server = self.servers[ONE]
        self.resources = hosting_resources(server.federation.peers, server.hosting)

    async def check(self, method: str, path: str, body: Any = None) -> None:
        """That the answer is no fault of ours."""
        answer = await self.network.links[TWO].fetch(ONE, method, path, body)
        self.assertLess(answer.status, 500, f"{method} {path[:200]} {str(body)[:500]}: {answer}")
        if answer.status >= 400:
            self.assertIn("errcode", answer.json)

    async def test_strange_paths(self) -> None:
        await self.arrange()
        room_id = await self.create()
        for resource in self.resources:
            (pattern,) = resource.PATHS
            method = "GET" if hasattr(resource, "get") else "PUT"
            for part in STRANGE_PARTS:
                for names in (("room_id",), ("event_id", "user_id"), ("room_id", "event_id")):
                    path = pattern
                    for name in ("room_id", "event_id", "user_id"):
                        good = room_id if name == "room_id" else self.user("bob")
                        value = part if name in names else quote(good, safe="")
                        path = path.replace("{" + name + "}", value)
                    await self.check(method, path, None if method == "GET" else {})

    async def test_bodies(self) -> None:
        await self.arrange()
        for version in ("1", "12"):
            room_id = await self.create(room_version=version)
            event = self.event(await self.template(room_id), room_id)
            invite = self.event(
                await self.template(room_id),
                room_id,
                state_key=self.user("alice"),
                content={"membership": "invite"},
            )
            value = orjson.loads(event.json)
            shown = [{"type": "m.room.name", "state_key": "", "sender": "@a:b", "content": {}}]
            third_party = {"display_name": "x", "signed": {"mxid": "x", "token": "x"}}
            bodies = {
                "v1/send_leave": (event, value),
                "v1/send_knock": (event, value),
                "v1/send_join": (event, value),
                "v1/invite": (
                    invite,
                    {**orjson.loads(invite.json), "unsigned": {"invite_room_state": shown}},
                ),
                "v2/invite": (
                    invite,
                    {
                        "room_version": version,
                        "event": orjson.loads(invite.json),
                        "invite_room_state": shown,
                    },
                ),
                "v1/exchange_third_party_invite": (
                    None,
                    {
                        "type": "m.room.member",
                        "room_id": room_id,
                        "sender": self.user("alice"),
                        "state_key": self.user("bob"),
                        "content": {"membership": "invite", "third_party_invite": third_party},
                    },
                ),
                "v1/3pid/onbind": (
                    None,
                    {
                        "medium": "email",
                        "address": "x",
                        "mxid": self.user("alice"),
                        "invites": [],
                    },
                ),
            }
            for name, (sent, body) in bodies.items():
                path = f"/_matrix/federation/{name}"
                if "onbind" not in name:
                    path += "/" + quote(room_id, safe="")
                if sent is not None:
                    path += "/" + quote(sent.event_id, safe="")
                for changed in variations(body):
                    await self.check("PUT", path, changed)

    async def test_invites_that_are_bound_wrongly(self) -> None:
        await self.arrange()
        good = {"room_id": "!x:two.test", "sender": "@x:two.test", "signed": {"token": "x"}}
        for changed in variations(good):
            body = {"mxid": self.user("alice"), "invites": [changed]}
            await self.check("PUT", "/_matrix/federation/v1/3pid/onbind", body)

    async def test_requests_that_nobody_signed(self) -> None:
        await self.arrange()
        room_id = await self.create()
        for resource in self.resources:
            (pattern,) = resource.PATHS
            if "onbind" in pattern:
                continue
            path = pattern.replace("{room_id}", quote(room_id, safe=""))
            path = path.replace("{user_id}", self.user("bob")).replace("{event_id}", "$x")
            method = "GET" if hasattr(resource, "get") else "PUT"
            answer = await self.fetch(ONE, method, path, None if method == "GET" else {})
            self.assertEqual(answer.status, 401, str(answer))
