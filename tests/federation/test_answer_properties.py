"""Answers of any shape, to whatever is asked of other servers: a clear error, and nothing more.

hypothesis makes up the answers: any JSON at all, or the true one with a few places changed.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from synapse.api.errors import NotFound
from tests.federation.rooms import ONE, TWO, V3, SharedRoomTestCase, path
from tests.federation.shapes import EDITS, SPEAKABLE, edited
from tests.http.client import Answer
from tests.properties import TIMEOUT_S, for_all

ANSWERS = st.one_of(SPEAKABLE.map(lambda value: ("any", value)), EDITS.map(lambda e: ("edit", e)))
# Room versions whose answers differ.
VERSIONS = ("1", "12")


class AnswerPropertyTests(SharedRoomTestCase):
    """Bob's server asks Alice's, whose answers are changed on their way."""

    timeout = TIMEOUT_S

    def tamper(self, part: str, answer: tuple[str, Any]) -> None:
        """Change the answers to requests with this in their path."""
        kind, what = answer
        self.network.tampers.clear()
        self.network.tampers[part] = lambda true: what if kind == "any" else edited(true, what)

    async def try_to(
        self, parts: tuple[str, ...], ask: Callable[[], Awaitable[Answer]], *, examples: int
    ) -> None:
        """Ask, with each of some answers changed: what comes of it is an answer or an error."""

        async def check(example: tuple[str, tuple[str, Any]]) -> None:
            self.tamper(*example)
            with self.assertNoLogs(level="ERROR"):
                answer = await ask()
                await self.servers[TWO].background.finish()
            if answer.status >= 400:
                self.assertIn(answer.status, (400, 403, 404, 429, 502, 504), str(answer))
                self.assertIn("errcode", answer.json)
            self.time.advance(600)  # what is remembered of others is forgotten
            self.servers[TWO].federation.backoffs.heard_from(ONE)

        await for_all(st.tuples(st.sampled_from(parts), ANSWERS), check, examples=examples)
        self.network.tampers.clear()

    async def as_bob(self, method: str, url: str, json: Any = None) -> Answer:
        return await self.fetch(TWO, method, url, json, token=self.tokens["bob"])

    async def joined(self, room_id: str) -> int:
        try:
            return (await self.room(TWO, room_id)).local_joined
        except NotFound:
            return 0

    async def test_joins(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            room_id = await self.create(room_version=version)
            url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"

            async def join(url: str = url, room_id: str = room_id) -> Answer:
                answer = await self.as_bob("POST", url, {})
                self.assertEqual(await self.joined(room_id), int(answer.status == 200))
                if answer.status == 200:  # the change did no harm
                    await self.leave(room_id)
                return answer

            await self.try_to(("make_join", "send_join"), join, examples=40)
            await self.join("bob", room_id, ONE)
            self.assertEqual(await self.joined(room_id), 1)
            # It is the room that Alice's server knows, whatever was told before.
            theirs = await self.state_ids(ONE, room_id)
            self.assertEqual(await self.state_ids(TWO, room_id), theirs)

    async def leave(self, room_id: str) -> None:
        tampers, self.network.tampers = self.network.tampers, {}
        await self.ask("bob", "POST", path(room_id, "/leave"), {})
        room = await self.room(TWO, room_id)
        await self.carry(TWO, ONE, room.tips[0].event_id)
        self.network.tampers = tampers

    async def test_knocks_and_their_end(self) -> None:
        await self.arrange()
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        room_id = await self.create(initial_state=[rules], preset="private_chat")
        url = f"{V3}/knock/{quote(room_id, safe='')}?via={ONE}"

        async def knock() -> Answer:
            await self.as_bob("POST", path(room_id, "/leave"), {})
            answer = await self.as_bob("POST", url, {})
            await self.ask("bob", "GET", f"{V3}/sync")
            return answer

        await self.try_to(
            ("make_knock", "send_knock", "make_leave", "send_leave"), knock, examples=40
        )
        await self.ask("bob", "POST", url, {})

    async def test_invites(self) -> None:
        await self.arrange()

        async def invite() -> Answer:
            room_id = await self.create("bob")
            body = {"user_id": self.user("alice")}
            answer = await self.as_bob("POST", path(room_id, "/invite"), body)
            invited = await self.membership(TWO, room_id, self.user("alice"))
            self.assertEqual(invited == "invite", answer.status == 200)
            return answer

        await self.try_to(("/invite/",), invite, examples=25)

    async def test_history(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            room_id = await self.create(room_version=version)
            for _ in range(5):
                await self.say("alice", room_id)
            await self.join("bob", room_id, ONE)

            async def read(room_id: str = room_id) -> Answer:
                return await self.as_bob("GET", path(room_id, "/messages?dir=b&limit=50"))

            parts = ("backfill", "/event/", "state_ids", "/state/", "event_auth")
            await self.try_to(parts, read, examples=30)
            theirs = await self.state_ids(ONE, room_id)
            self.assertEqual(await self.state_ids(TWO, room_id), theirs)

    async def test_what_is_looked_up(self) -> None:
        await self.arrange()
        room_id = await self.create(
            room_alias_name="somewhere", visibility="public", name="Somewhere"
        )
        alias = quote(f"#somewhere:{ONE}", safe="")
        alice = quote(self.user("alice"), safe="")
        for part, method, url, body in (
            ("query/profile", "GET", f"{V3}/profile/{alice}", None),
            ("query/directory", "GET", f"{V3}/directory/room/{alias}", None),
            ("query/directory", "POST", f"{V3}/join/{alias}", {}),
            ("publicRooms", "GET", f"{V3}/publicRooms?server={ONE}", None),
            (
                "publicRooms",
                "POST",
                f"{V3}/publicRooms?server={ONE}",
                {"filter": {"generic_search_term": "some"}},
            ),
            (
                "hierarchy",
                "GET",
                f"/_matrix/client/v1/rooms/{quote(room_id, safe='')}/hierarchy",
                None,
            ),
            (
                "hierarchy",
                "GET",
                f"/_matrix/client/v1/room_summary/{quote(room_id, safe='')}?via={ONE}",
                None,
            ),
        ):

            async def look(method: str = method, url: str = url, body: Any = body) -> Answer:
                return await self.as_bob(method, url, body)

            await self.try_to((part,), look, examples=15)

    async def test_spaces_below_a_space(self) -> None:
        await self.arrange()
        inner = await self.create(name="Inside")
        space = await self.create("bob", creation_content={"type": "m.space"})
        child = path(space, f"/state/m.space.child/{quote(inner, safe='')}")
        await self.ask("bob", "PUT", child, {"via": [ONE]})
        url = f"/_matrix/client/v1/rooms/{quote(space, safe='')}/hierarchy"

        async def look() -> Answer:
            return await self.as_bob("GET", url)

        await self.try_to(("hierarchy",), look, examples=40)

    async def test_keys(self) -> None:
        await self.arrange()
        room_id = await self.create()
        await self.join("bob", room_id, ONE)
        event_id = await self.say("alice", room_id)
        said = await self.servers[ONE].stores.events.get(event_id)
        assert said is not None

        async def ask() -> Answer:
            self.time.advance(48 * 3600)  # the keys are too old
            link = self.network.links[ONE]
            return await link.fetch(TWO, "GET", f"/_matrix/federation/v1/event/{quote(event_id)}")

        async def check(answer: tuple[str, Any]) -> None:
            self.tamper("/key/v2/server", answer)
            with self.assertNoLogs(level="ERROR"):
                self.assertIn((await ask()).status, (200, 401, 403, 404))

        await for_all(ANSWERS, check, examples=40)
        self.network.tampers.clear()
        self.assertIn((await ask()).status, (403, 404))
