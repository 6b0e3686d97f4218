"""Push rules: reading and changing them, and how a user's clients hear of it."""

from typing import Any
from urllib.parse import quote

from twisted.internet.defer import ensureDeferred, gatherResults

from synapse.push.rules import Rules
from tests.rest.base import PASSWORD
from tests.rest.client.test_sync import ALWAYS
from tests.rest.rooms import V3, RoomTestCase, sync_path

ALICE, BOB = "@alice:test", "@bob:test"
RULES = f"{V3}/pushrules"
MASTER = f"{RULES}/global/override/.m.rule.master"
CAKE = {"pattern": "cake", "actions": ["notify", {"set_tweak": "sound", "value": "cake.wav"}]}


def rule_path(kind: str, rule_id: str, rest: str = "") -> str:
    return f"{RULES}/global/{kind}/{quote(rule_id, safe='')}{rest}"


def predefined(user_id: str) -> Any:
    return {"global": Rules(user_id, None).to_json()}


def told(answer: Any) -> list[Any]:
    """The push rules that a sync tells."""
    events = answer.get("account_data", {"events": []})["events"]
    return [event["content"] for event in events if event["type"] == "m.push_rules"]


class PushRuleTestCase(RoomTestCase):
    async def people(self) -> None:
        self.alice = await self.register("alice")
        self.bob = await self.register("bob")

    async def rules(self, token: str) -> Any:
        return await self.ok("GET", f"{RULES}/", token=token)

    async def put(self, token: str, kind: str, rule_id: str, query: str = "", **more: Any) -> None:
        body = {"actions": ["notify"], **more}
        await self.ok("PUT", rule_path(kind, rule_id, query), body, token=token)

    async def ids(self, token: str, kind: str) -> list[str]:
        rules = (await self.rules(token))["global"][kind]
        return [rule["rule_id"] for rule in rules if not rule["default"]]


class RuleTests(PushRuleTestCase):
    async def test_everybody_has_the_predefined_ones(self) -> None:
        await self.people()
        for token, user_id in ((self.alice, ALICE), (self.bob, BOB)):
            expected = predefined(user_id)
            self.assertEqual(await self.rules(token), expected)
            of_scope = await self.ok("GET", f"{RULES}/global/", token=token)
            self.assertEqual(of_scope, expected["global"])

    async def test_old_clients_find_them(self) -> None:
        await self.people()
        for prefix in ("r0", "api/v1", "unstable"):
            path = f"/_matrix/client/{prefix}/pushrules/"
            self.assertEqual(await self.ok("GET", path, token=self.alice), predefined(ALICE))

    async def test_rule_comes_back(self) -> None:
        await self.people()
        conditions = [{"kind": "room_member_count", "is": "<=10"}]
        for kind, rule_id, body, more in (
            ("content", "cake 🍰", CAKE, {"pattern": "cake"}),
            ("override", "a", {**CAKE, "conditions": conditions}, {"conditions": conditions}),
            ("underride", "a", CAKE, {"conditions": []}),
            ("room", "!dj234r78wl45Gh4D:matrix.org", CAKE, {}),
            ("sender", "@spambot:matrix.org", CAKE, {}),
        ):
            path = rule_path(kind, rule_id)
            self.assertEqual(await self.ok("PUT", path, body, token=self.alice), {})
            rule = {"rule_id": rule_id, "default": False, "enabled": True, **more}
            rule["actions"] = CAKE["actions"]
            self.assertEqual(await self.ok("GET", path, token=self.alice), rule)
            self.assertIn(rule, (await self.rules(self.alice))["global"][kind])

    async def test_they_belong_to_their_user_alone(self) -> None:
        await self.people()
        await self.put(self.alice, "room", "!a:test")
        await self.ok("PUT", f"{MASTER}/enabled", {"enabled": True}, token=self.alice)
        self.assertEqual(await self.rules(self.bob), predefined(BOB))
        path = rule_path("room", "!a:test")
        for method in ("GET", "DELETE"):
            await self.refused(404, "M_NOT_FOUND", method, path, token=self.bob)

    async def test_order(self) -> None:
        await self.people()
        for rule_id, query in (
            ("a", ""),
            ("b", ""),
            ("c", "?after=b"),
            ("d", "?before=a"),
            ("e", "?before=a&after=b"),
            ("c", ""),
        ):
            await self.put(self.alice, "room", rule_id, query)
        self.assertEqual(await self.ids(self.alice, "room"), ["b", "c", "d", "e", "a"])
        await self.put(self.alice, "room", "a", "?before=b")
        self.assertEqual(await self.ids(self.alice, "room"), ["a", "b", "c", "d", "e"])

    async def test_order_names_one_of_the_own_rules(self) -> None:
        await self.people()
        await self.put(self.alice, "sender", "other")
        for query in ("before=x", "after=x", "before=other", "before=.m.rule.call", "before="):
            await self.refused(
                400,
                "M_UNKNOWN",
                "PUT",
                f"{rule_path('underride', 'a')}?{query}",
                {"actions": []},
                token=self.alice,
            )
        self.assertEqual(await self.ids(self.alice, "underride"), [])

    async def test_delete(self) -> None:
        await self.people()
        await self.put(self.alice, "room", "a")
        path = rule_path("room", "a")
        self.assertEqual(await self.ok("DELETE", path, token=self.alice), {})
        self.assertEqual(await self.rules(self.alice), predefined(ALICE))
        for gone in (path, MASTER):
            await self.refused(404, "M_NOT_FOUND", "DELETE", gone, token=self.alice)

    async def test_closed_account_leaves_none(self) -> None:
        await self.people()
        for token in (self.alice, self.bob):
            await self.put(token, "room", "a")
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": PASSWORD,
        }
        await self.ok("POST", f"{V3}/account/deactivate", {"auth": auth}, token=self.alice)
        self.assertEqual(await self.database.fetch("SELECT COUNT(*) FROM push_rules"), [(1,)])

    async def test_enabling_and_disabling(self) -> None:
        await self.people()
        await self.put(self.alice, "room", "a")
        for path, at_first in ((rule_path("room", "a"), True), (MASTER, False)):
            for enabled in (at_first, not at_first, at_first):
                await self.ok("PUT", f"{path}/enabled", {"enabled": enabled}, token=self.alice)
                answer = await self.ok("GET", f"{path}/enabled", token=self.alice)
                self.assertEqual(answer, {"enabled": enabled})
                rule = await self.ok("GET", path, token=self.alice)
                self.assertEqual(rule["enabled"], enabled)

    async def test_changing_actions(self) -> None:
        await self.people()
        await self.put(self.alice, "content", "cake", pattern="cake")
        for path in (rule_path("content", "cake"), rule_path("underride", ".m.rule.message")):
            before = await self.ok("GET", f"{path}/actions", token=self.alice)
            self.assertEqual(before, {"actions": ["notify"]})
            actions = [{"set_tweak": "highlight"}]
            await self.ok("PUT", f"{path}/actions", {"actions": actions}, token=self.alice)
            answer = await self.ok("GET", f"{path}/actions", token=self.alice)
            self.assertEqual(answer, {"actions": actions})

    async def test_wrong_requests(self) -> None:
        await self.people()
        good: dict[str, Any] = {"actions": []}
        for method, path, body, status, errcode in (
            ("GET", rule_path("room", "x"), None, 404, "M_NOT_FOUND"),
            ("GET", rule_path("room", "x", "/enabled"), None, 404, "M_NOT_FOUND"),
            ("GET", rule_path("room", "x", "/actions"), None, 404, "M_NOT_FOUND"),
            ("GET", rule_path("room", ".m.rule.master"), None, 404, "M_NOT_FOUND"),
            ("PUT", rule_path("room", "x", "/enabled"), {"enabled": True}, 404, "M_NOT_FOUND"),
            ("PUT", rule_path("room", "x", "/actions"), good, 404, "M_NOT_FOUND"),
            ("PUT", f"{MASTER}/enabled", {"enabled": 1}, 400, "M_BAD_JSON"),
            ("PUT", f"{MASTER}/enabled", {}, 400, "M_MISSING_PARAM"),
            ("PUT", f"{MASTER}/actions", {"actions": ["x"]}, 400, "M_INVALID_PARAM"),
            ("PUT", MASTER, good, 400, "M_INVALID_PARAM"),
            ("PUT", rule_path("room", "a/b"), good, 400, "M_INVALID_PARAM"),
            ("PUT", rule_path("room", "a\\b"), good, 400, "M_INVALID_PARAM"),
            ("PUT", rule_path("room", "a"), {}, 400, "M_MISSING_PARAM"),
            ("PUT", rule_path("unknown", "a"), good, 400, "M_INVALID_PARAM"),
            ("GET", rule_path("unknown", "a"), None, 400, "M_INVALID_PARAM"),
            ("DELETE", rule_path("unknown", "a"), None, 400, "M_INVALID_PARAM"),
            ("PUT", rule_path("x", "a", "/enabled"), {"enabled": True}, 400, "M_INVALID_PARAM"),
            ("GET", f"{RULES}/device/", None, 404, "M_UNRECOGNIZED"),
        ):
            await self.refused(status, errcode, method, path, body, token=self.alice)
        self.assertEqual(await self.rules(self.alice), predefined(ALICE))

    async def test_changes_at_the_same_time_are_all_made(self) -> None:
        await self.people()
        people = ((self.alice, "a"), (self.bob, "b"))
        calls = [self.put(token, "room", f"{name}{n}") for n in range(20) for token, name in people]
        # One of them is refused, which is nothing to the others.
        wrong = self.refused(
            400,
            "M_UNKNOWN",
            "PUT",
            f"{rule_path('room', 'x')}?before=y",
            {"actions": []},
            token=self.alice,
        )
        await gatherResults([ensureDeferred(call) for call in (*calls, wrong)])
        for token, name in people:
            expected = {f"{name}{n}" for n in range(20)}
            self.assertEqual(set(await self.ids(token, "room")), expected)


class PushRuleNewsTests(PushRuleTestCase):
    async def test_first_sync_tells_them(self) -> None:
        await self.people()
        self.assertEqual(told(await self.sync(self.alice)), [predefined(ALICE)])
        await self.put(self.alice, "room", "a")
        answer = await self.sync(self.alice)
        self.assertEqual(told(answer), [await self.rules(self.alice)])
        full = await self.sync(self.alice, since=answer["next_batch"], full_state="true")
        self.assertEqual(told(full), [await self.rules(self.alice)])

    async def test_later_ones_tell_them_when_they_change(self) -> None:
        await self.people()
        since = (await self.sync(self.alice))["next_batch"]
        of_bob = (await self.sync(self.bob))["next_batch"]
        self.assertEqual(told(await self.sync(self.alice, since=since)), [])
        rule, message = rule_path("room", "a"), rule_path("underride", ".m.rule.message")
        for method, path, body in (
            ("PUT", rule, {"actions": []}),
            ("PUT", f"{rule}/enabled", {"enabled": False}),
            ("PUT", f"{message}/actions", {"actions": []}),
            ("DELETE", rule, None),
        ):
            await self.ok(method, path, body, token=self.alice)
            answer = await self.sync(self.alice, since=since)
            self.assertEqual(told(answer), [await self.rules(self.alice)])
            since = answer["next_batch"]
        path = f"{V3}/user/{ALICE}/account_data/x"
        await self.ok("PUT", path, {}, token=self.alice)
        answer = await self.sync(self.alice, since=since)
        self.assertEqual([event["type"] for event in answer["account_data"]["events"]], ["x"])
        self.assertEqual(set(await self.sync(self.bob, since=of_bob)), ALWAYS)

    async def test_change_wakes_a_sync(self) -> None:
        await self.people()
        since = (await self.sync(self.alice))["next_batch"]
        path = sync_path(since=since, timeout=30_000)
        waiting = self.site.start("GET", path, token=self.alice)
        self.assertEqual(waiting.sent, b"")
        await self.put(self.alice, "room", "a")
        answer = await waiting.answered()
        self.assertEqual(told(answer.json), [await self.rules(self.alice)])

    async def test_what_changes_nothing_is_no_news(self) -> None:
        await self.people()
        await self.put(self.alice, "room", "a")
        since = (await self.sync(self.alice))["next_batch"]
        await self.put(self.alice, "room", "a")
        await self.refused(404, "M_NOT_FOUND", "DELETE", rule_path("room", "b"), token=self.alice)
        self.assertEqual(told(await self.sync(self.alice, since=since)), [])

    async def test_filters(self) -> None:
        await self.people()
        await self.put(self.alice, "room", "a")
        for wish, expected in (
            ('{"account_data": {"types": ["m.push_rules"]}}', 1),
            ('{"account_data": {"not_types": ["m.push_*"]}}', 0),
            ('{"account_data": {"types": []}}', 0),
        ):
            for query in ({}, {"since": "s1_0"}):
                answer = await self.sync(self.alice, filter=wish, **query)
                self.assertEqual(len(told(answer)), expected, wish)

    async def test_account_data_has_them(self) -> None:
        await self.people()
        path = f"{V3}/user/{ALICE}/account_data/m.push_rules"
        self.assertEqual(await self.ok("GET", path, token=self.alice), predefined(ALICE))
        await self.put(self.alice, "room", "a")
        self.assertEqual(await self.ok("GET", path, token=self.alice), await self.rules(self.alice))
        await self.refused(403, "M_FORBIDDEN", "GET", path, token=self.bob)
        await self.refused(405, "M_BAD_JSON", "PUT", path, {"global": {}}, token=self.alice)
