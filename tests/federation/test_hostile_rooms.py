"""What is made of a join when the other server doesn't tell the truth about its room."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from synapse.api.errors import NotFound
from tests.federation.rooms import ONE, TWO, V3, SharedRoomTestCase
from tests.federation.servers import always
from tests.federation.test_joins import VERSIONS

Tamper = Callable[[Any], Any]
OTHER_ROOM = "!other:one.test"


def without(*types: str) -> Tamper:
    def tamper(answer: Any) -> Any:
        for key in ("state", "auth_chain"):
            answer[key] = [event for event in answer[key] if event["type"] not in types]
        return answer

    return tamper


def changed(**changes: Any) -> Tamper:
    return lambda answer: {**answer, **changes}


def template_with(**changes: Any) -> Tamper:
    return lambda answer: {**answer, "event": {**answer["event"], **changes}}


def content_with(**changes: Any) -> Tamper:
    def tamper(answer: Any) -> Any:
        event = answer["event"]
        return {**answer, "event": {**event, "content": {**event["content"], **changes}}}

    return tamper


def forged_levels(answer: Any) -> Any:
    """Bob may do everything, they say."""
    for key in ("state", "auth_chain"):
        for event in answer[key]:
            if event["type"] == "m.room.power_levels":
                event["content"]["users"] = {"@bob:two.test": 100}
    return answer


def bare(answer: Any) -> Any:
    """A create event in the place of all others."""
    create = next(event for event in answer["state"] if event["type"] == "m.room.create")
    return {**answer, "state": [create], "auth_chain": [create]}


TEMPLATES: dict[str, Tamper] = {
    "nothing": lambda answer: {},
    "a list": lambda answer: [answer],
    "no event": changed(event=None),
    "no content": template_with(content=None),
    "another room": template_with(room_id=OTHER_ROOM),
    "another sender": template_with(sender="@alice:one.test"),
    "another user": template_with(state_key="@alice:one.test"),
    "another type": template_with(type="m.room.topic"),
    "a ban": content_with(membership="ban"),
    "no prev_events": template_with(prev_events=None),
    "wrong prev_events": template_with(prev_events=[{"x": 1}]),
    "endless prev_events": template_with(prev_events=["$x"] * 100_000),
    "wrong depth": template_with(depth="x"),
    "great depth": template_with(depth=2**63),
    "unknown version": changed(room_version="99"),
    "strange version": changed(room_version={}),
}
ANSWERS: dict[str, Tamper] = {
    "nothing": lambda answer: {},
    "a text": lambda answer: "x",
    "wrong kinds": changed(state={}, auth_chain=3),
    "no state": changed(state=[], auth_chain=[]),
    "no beginning": without("m.room.create"),
    "state that is no event": changed(state=[1, None, [], {}, {"type": "x"}]),
    "state that forbids": bare,
    "nobody in the room": lambda answer: {
        **answer,
        "state": [event for event in answer["state"] if event["type"] != "m.room.member"],
    },
    "no join rules": without("m.room.join_rules"),
    "another join": content_with(displayname="Eve"),
    "a join of another": lambda answer: {**answer, "event": answer["state"][1]},
    "a join without signatures": lambda answer: {
        **answer,
        "event": {**answer["event"], "signatures": {}},
    },
    "a join that is none": changed(event=3),
}


class HostileRoomTests(SharedRoomTestCase):
    async def check(self, part: str, tampers: dict[str, Tamper]) -> None:
        """Nothing comes of the join, and it can be repeated with an honest server."""
        await self.arrange()
        for version in VERSIONS:
            for name, tamper in tampers.items():
                with self.subTest(version=version, name=name):
                    room_id = await self.create(room_version=version)
                    url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"
                    self.network.tampers[part] = tamper
                    answer = await self.refused("bob", "POST", url, {})
                    self.assertEqual(answer, (502, "M_UNKNOWN"), f"{name} {version}")
                    self.assertEqual(await self.joined(room_id), 0)
                    self.network.tampers.clear()
                    await self.join("bob", room_id, ONE)
                    self.assertEqual(await self.joined(room_id), 1)

    async def joined(self, room_id: str) -> int:
        """How many of Bob's server are in the room."""
        try:
            return (await self.room(TWO, room_id)).local_joined
        except NotFound:
            return 0

    async def test_templates(self) -> None:
        await self.check("make_join", TEMPLATES)

    async def test_answers(self) -> None:
        await self.check("send_join", ANSWERS)

    async def test_forged_events_are_left_out(self) -> None:
        await self.arrange()
        for version in VERSIONS:
            room_id = await self.create(room_version=version, name="Real")
            self.network.tampers["send_join"] = lambda answer: {
                **answer,
                "state": [
                    {**event, "content": {"name": "Forged"}, "origin_server_ts": 7}
                    if event["type"] == "m.room.name"
                    else event
                    for event in answer["state"]
                ],
            }
            await self.join("bob", room_id, ONE)
            types = {type for type, _ in await self.state_ids(TWO, room_id)}
            self.assertNotIn("m.room.name", types)
            self.assertIn("m.room.power_levels", types)

    async def test_content_that_was_changed_is_taken_away(self) -> None:
        await self.arrange()
        room_id = await self.create(room_version="12", name="Real")
        self.network.tampers["send_join"] = lambda answer: {
            **answer,
            "state": [
                {**event, "content": {"name": "Forged"}}
                if event["type"] == "m.room.name"
                else event
                for event in answer["state"]
            ],
        }
        await self.join("bob", room_id, ONE)
        name = await self.servers[TWO].rooms.cache.current(
            await self.room(TWO, room_id), "m.room.name"
        )
        assert name is not None
        self.assertEqual(name.content, {})

    async def test_a_huge_state_of_nothing(self) -> None:
        await self.arrange()
        room_id = await self.create(room_version="12")
        junk: list[dict[str, Any]] = [{"type": "x", "state_key": str(n)} for n in range(20_000)]
        self.network.tampers["send_join"] = lambda answer: {
            **answer,
            "auth_chain": [*junk, *answer["auth_chain"]],
        }
        url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"
        self.assertEqual(await self.refused("bob", "POST", url, {}), (502, "M_UNKNOWN"))
        rows = await self.servers[TWO].database.fetch("SELECT count(*) FROM events")
        self.assertEqual(rows[0][0], 0)
        # What looks like events is verified one by one, and left out.
        junk = [
            {"type": "x", "state_key": str(n), "sender": "", "depth": "", "origin_server_ts": 1.5}
            for n in range(20_000)
        ]
        await self.join("bob", room_id, ONE)
        rows = await self.servers[TWO].database.fetch("SELECT count(*) FROM events")
        self.assertLess(rows[0][0], 20)

    async def test_a_room_of_another_version(self) -> None:
        await self.arrange()
        room_id = await self.create(room_version="10")
        url = f"{V3}/join/{quote(room_id, safe='')}?via={ONE}"
        self.network.tampers["make_join"] = changed(room_version="9")
        self.assertEqual(await self.refused("bob", "POST", url, {}), (502, "M_UNKNOWN"))
        self.assertEqual(await self.joined(room_id), 0)

    async def test_other_answers(self) -> None:
        await self.arrange()
        rules = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        room_id = await self.create(
            preset="private_chat", room_version="12", initial_state=[rules], name="Secret"
        )
        url = f"{V3}/knock/{room_id}?via={ONE}"
        answers: list[Any] = [[], {}, {"knock_room_state": 1}, {"knock_room_state": [1, {}]}]
        for answer in answers:
            self.network.tampers["send_knock"] = always(answer)
            await self.ask("bob", "POST", url, {})
            sync = await self.ask("bob", "GET", f"{V3}/sync")
            self.assertIn(room_id, sync["rooms"]["knock"])
