"""What goes on in rooms in the life of a server."""

from typing import Any
from urllib.parse import quote, urlencode

from tests.rest.rooms import V3, RoomTestCase, room_path

V1 = "/_matrix/client/v1"
ALICE, BOB, CAROL = "@alice:test", "@bob:test", "@carol:test"
HOUR_MS = 3600 * 1000
_SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
_LEVELS = {"events": {"m.room.name": 0}, "users_default": 0}


class RoomLifeTestCase(RoomTestCase):
    """Alice's and bob's tokens are there; each step builds on those before it."""

    alice: str
    bob: str
    carol: str

    def setUp(self) -> None:
        super().setUp()
        self.since: dict[str, str] = {}  # of each token's first sync

    async def get(self, token: str, path: str, **query: Any) -> Any:
        return await self.ok("GET", f"{path}?{urlencode(query)}", token=token)

    async def put(self, token: str, path: str, body: Any) -> Any:
        return await self.ok("PUT", path, body, token=token)

    async def post(self, token: str, path: str, body: Any) -> Any:
        return await self.ok("POST", path, body, token=token)

    async def _make_rooms(self) -> None:
        alice = self.alice
        policy = {"type": "m.room.retention", "content": {"max_lifetime": HOUR_MS}}
        self.room_id = await self.create_public(
            alice,
            name="Home",
            topic="all about it",
            room_alias_name="home",
            visibility="public",
            initial_state=[policy],
            power_level_content_override=_LEVELS,
        )
        self.space = await self.create_public(
            alice, creation_content={"type": "m.space"}, visibility="public"
        )
        for room_id in (self.room_id, "!unknown:test"):
            await self.set_state(alice, self.space, "m.space.child", {"via": ["test"]}, room_id)
        allow = [{"type": "m.room_membership", "room_id": self.space}]
        rules = {"join_rule": "restricted", "allow": allow}
        self.restricted = await self.create(
            alice, initial_state=[{"type": "m.room.join_rules", "content": rules}]
        )
        self.knocking = await self.create(
            alice,
            initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}],
        )
        for token in (self.bob, self.carol):
            await self.join(token, self.room_id)
        await self.join(self.bob, self.space)
        await self.join(self.bob, self.restricted)
        self.direct = await self.create(self.bob, invite=[ALICE, CAROL], is_direct=True)

    async def _sync_all(self) -> None:
        lazy = '{"room": {"state": {"lazy_load_members": true}, "include_leave": true}}'
        for token in (self.alice, self.bob, self.carol):
            first = await self.sync(token)
            await self.sync(token, filter=lazy)
            since = self.since.setdefault(token, first["next_batch"])
            queries: list[dict[str, str]] = [{}, {"filter": lazy}, {"full_state": "true"}]
            for query in queries:
                await self.sync(token, since=since, **query)

    async def _talk(self) -> None:
        await self.fetch("PUT", room_path(self.room_id, "/typing/@bob:test"), {}, token=self.bob)
        for n in range(70):  # more than a room keeps in memory
            self.event_id = await self.send(self.bob, self.room_id, f"hello number {n}")
        gone = await self.send(self.bob, self.room_id, "oops")
        await self.redact(self.bob, self.room_id, gone)
        await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "Home, sweet"})
        name = await self.set_state(self.alice, self.room_id, "m.room.name", {"name": "My home"})
        await self.redact(self.alice, self.room_id, name)
        thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": self.event_id}}
        self.reply = await self.send(self.bob, self.room_id, "in a thread", **thread)
        for kind in ("m.read", "m.read.private", "m.fully_read"):
            await self.post(
                self.alice, room_path(self.room_id, f"/receipt/{kind}/{self.event_id}"), {}
            )
        await self.post(
            self.alice, room_path(self.room_id, "/read_markers"), {"m.fully_read": self.event_id}
        )
        for token, user in ((self.alice, ALICE), (self.bob, BOB)):
            path = f"{V3}/presence/{user}/status"
            await self.put(token, path, {"presence": "online", "status_msg": "here"})
        await self.get(self.bob, f"{V3}/presence/{ALICE}/status")

    async def _relate(self) -> None:
        for relation in (
            {"rel_type": "m.annotation", "key": "+1"},
            {"rel_type": "m.reference"},
            {"rel_type": "m.replace"},
        ):
            content = {"m.relates_to": {"event_id": self.event_id, **relation}}
            if relation["rel_type"] == "m.annotation":
                await self.send_event(self.bob, self.room_id, "m.reaction", content)
            else:
                content["m.new_content"] = {"body": "new", "msgtype": "m.text"}
                await self.send(self.bob, self.room_id, "related", **content)
        related = f"{V1}/rooms/{self.room_id}/relations/{self.event_id}"
        for path in (related, f"{related}/m.thread", f"{related}/m.thread/m.room.message"):
            await self.get(self.bob, path)
            await self.get(self.bob, path, recurse="true", dir="f")
        for include in ("all", "participated"):
            await self.get(self.bob, f"{V1}/rooms/{self.room_id}/threads", include=include)
        await self.get(self.bob, room_path(self.room_id, f"/event/{self.event_id}"))
        wanted = '{"related_by_rel_types": ["m.thread"], "related_by_senders": ["@bob:test"]}'
        await self.messages(self.bob, self.room_id, filter=wanted)
        page = await self.get(self.alice, f"{V3}/notifications", limit=1)
        await self.get(self.alice, f"{V3}/notifications", **{"from": page["next_token"]})

    async def _slide(self) -> None:
        state = [["m.room.name", ""], ["m.room.member", "$LAZY"]]
        body = {
            "lists": {"all": {"ranges": [[0, 9]], "timeline_limit": 5, "required_state": state}},
            "extensions": {
                name: {"enabled": True} for name in ("receipts", "typing", "account_data")
            },
        }
        for token in (self.alice, self.bob):
            pos = (await self.post(token, f"{_SLIDING}?timeout=0", body))["pos"]
            await self.post(token, f"{_SLIDING}?timeout=0&pos={pos}", body)

    async def _read_timelines(self) -> None:
        since = self.since[self.bob]
        for token in (self.bob, self.carol):
            start = None
            for direction in ("b", "b", "f"):
                query = {"limit": 5} if start is None else {"limit": 5, "from": start}
                start = (await self.messages(token, self.room_id, direction, **query))["end"]
            for query in ({"from": since}, {"from": since, "to": start}):
                await self.messages(token, self.room_id, "f", **query)
        lazy = '{"lazy_load_members": true}'
        await self.messages(self.bob, self.room_id, "b", filter=lazy, limit=1000)
        for event_id in (self.event_id, self.reply):
            await self.get(self.bob, room_path(self.room_id, f"/event/{event_id}"))
            await self.get(self.bob, room_path(self.room_id, f"/context/{event_id}"), limit=20)
            await self.get(self.bob, f"{V3}/events/{event_id}")
        path = f"{V1}/rooms/{self.room_id}/timestamp_to_event"
        for direction in ("f", "b"):
            await self.get(self.bob, path, ts=self.clock.now_ms(), dir=direction)
        await self.get(self.bob, f"{V3}/initialSync", limit=5)
        await self.get(self.bob, room_path(self.room_id, "/initialSync"), limit=5)
        await self.get(self.bob, f"{V3}/events", **{"from": since})
        await self.get(self.bob, f"{V3}/events", room_id=self.room_id, timeout=0)

    async def _read_state(self) -> None:
        since = self.since[self.bob]
        await self.state(self.bob, self.room_id)
        await self.content(self.bob, self.room_id, "m.room.name")
        await self.content(self.bob, self.room_id, "m.room.member", ALICE)
        members = room_path(self.room_id, "/members")
        await self.get(self.bob, members)
        await self.get(self.bob, members, at=since, not_membership="leave")
        await self.get(self.bob, members, membership="join")
        await self.get(self.bob, room_path(self.room_id, "/joined_members"))
        await self.get(self.bob, f"{V3}/joined_rooms")
        await self.get(self.bob, room_path(self.room_id, "/aliases"))
        await self.get(self.bob, f"{V1}/mutual_rooms", user_id=ALICE)
        await self.get(self.bob, f"{V1}/rooms/{self.space}/hierarchy", limit=1)
        for room_id in (self.room_id, self.restricted):
            await self.get(self.bob, f"{V1}/room_summary/{quote(room_id)}")

    async def _let_servers_in(self) -> None:
        """What other servers are told when a user of theirs has joined."""
        rooms = self.server.rooms.cache
        room = await rooms.get(self.room_id)
        join = await rooms.current(room, "m.room.member", ALICE)
        assert join is not None
        for omit_members in (False, True):
            answers = self.server.hosting.join_answers
            async for _ in await answers.answer(room, join, omit_members=omit_members):
                pass

    async def _change_memberships(self) -> None:
        alice, room_id = self.alice, self.room_id
        await self.join(alice, self.direct)
        await self.leave(self.carol, self.direct)
        await self.post(self.bob, f"{V3}/knock/{self.knocking}", {"reason": "let me in"})
        await self.change_membership(alice, self.knocking, "invite", BOB)
        await self.join(self.bob, self.knocking)
        await self.leave(self.bob, self.knocking)
        await self.post(self.bob, room_path(self.knocking, "/forget"), {})
        _, token = await self.guest()
        await self.set_state(alice, room_id, "m.room.guest_access", {"guest_access": "can_join"})
        await self.join(token, room_id)
        await self.set_state(alice, room_id, "m.room.guest_access", {"guest_access": "forbidden"})
        await self.finish_background()
        for action, user in (("kick", CAROL), ("ban", CAROL), ("unban", CAROL)):
            await self.change_membership(alice, room_id, action, user)
        await self._sync_all()
        await self.get(self.carol, room_path(room_id, "/members"))
        await self.messages(self.carol, room_id, limit=5)
        await self.post(self.carol, f"{V3}/join/%23home:test", {})
        upgraded = await self.create_public(alice, room_alias_name="old", visibility="public")
        await self.join(self.bob, upgraded)
        await self.send(self.bob, upgraded, "buy gold")
        spammer = {"user_id": BOB, "org.matrix.msc4293.redact_events": True}
        await self.post(alice, room_path(upgraded, "/kick"), spammer)
        await self.join(self.bob, upgraded)
        new = await self.post(alice, room_path(upgraded, "/upgrade"), {"new_version": "12"})
        await self.finish_background()
        await self.join(self.bob, new["replacement_room"])
        body = {"user_id": ALICE, "reason": "r", "score": -1}
        await self.post(self.bob, room_path(room_id, f"/report/{self.event_id}"), body)
        await self.post(self.bob, room_path(room_id, "/report"), body)
        await self.post(self.bob, f"{V3}/users/{ALICE}/report", body)
