"""Client API: presence."""

from typing import Any

from synapse.config.ratelimiting import PresenceLimits
from synapse.streams.presence_changes import WOKEN_AT_ONCE
from tests.http.client import Connection
from tests.rest.client.test_sync import ALICE, ALWAYS, BOB, SyncTestCase
from tests.rest.rooms import V3, sync_path

BUSY = "org.matrix.msc3026.busy"
CAROL = "@carol:test"


def path_of(user: str) -> str:
    return f"{V3}/presence/{user}/status"


def told(answer: Any) -> dict[str, Any]:
    """user → content of the presence events of a sync."""
    events = answer.get("presence", {"events": []})["events"]
    for event in events:
        assert event["type"] == "m.presence", event
    return {event["sender"]: event["content"] for event in events}


class PresenceTestCase(SyncTestCase):
    async def put(self, token: str, user: str, presence: str, **more: Any) -> None:
        await self.ok("PUT", path_of(user), {"presence": presence, **more}, token=token)

    async def get(self, token: str, user: str) -> Any:
        return await self.ok("GET", path_of(user), token=token)

    async def state_of(self, token: str, user: str) -> str:
        return str((await self.get(token, user))["presence"])

    def poll(self, token: str, since: str, **query: Any) -> Connection:
        return self.site.start("GET", sync_path(since=since, timeout=600_000, **query), token=token)


class StatusTests(PresenceTestCase):
    async def test_what_is_said_is_seen(self) -> None:
        await self.people()
        await self.shared_room()
        self.assertEqual(await self.get(self.bob, ALICE), {"presence": "offline"})
        await self.put(self.alice, ALICE, "online", status_msg="here")
        self.advance(2)
        content = {
            "presence": "online",
            "last_active_ago": 2_000,
            "currently_active": True,
            "status_msg": "here",
        }
        for token in (self.alice, self.bob):
            self.assertEqual(await self.get(token, ALICE), content)
        await self.put(self.alice, ALICE, "unavailable")
        content = {"presence": "unavailable", "last_active_ago": 0}
        self.assertEqual(await self.get(self.bob, ALICE), content)
        for state in (BUSY, "offline"):
            await self.put(self.alice, ALICE, state)
            self.assertEqual(await self.state_of(self.bob, ALICE), state)

    async def test_only_who_shares_a_room_sees_it(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        for user in (ALICE, "@unknown:test"):
            await self.refused(403, "M_FORBIDDEN", "GET", path_of(user), token=self.bob)
        await self.join(self.bob, room_id)
        await self.get(self.bob, ALICE)
        await self.leave(self.bob, room_id)
        await self.refused(403, "M_FORBIDDEN", "GET", path_of(ALICE), token=self.bob)

    async def test_nobody_sets_anothers(self) -> None:
        await self.people()
        await self.shared_room()
        body = {"presence": "online"}
        await self.refused(403, "M_FORBIDDEN", "PUT", path_of(ALICE), body, token=self.bob)

    async def test_wrong_bodies(self) -> None:
        await self.people()
        for body, errcode in (
            ({}, "M_MISSING_PARAM"),
            ({"presence": "asleep"}, "M_BAD_JSON"),
            ({"presence": 1}, "M_BAD_JSON"),
            ({"presence": "online", "status_msg": 1}, "M_BAD_JSON"),
            ({"presence": "online", "status_msg": "x" * 2_001}, "M_INVALID_PARAM"),
        ):
            await self.refused(400, errcode, "PUT", path_of(ALICE), body, token=self.alice)
        await self.refused(400, "M_INVALID_PARAM", "GET", path_of("alice"), token=self.alice)

    async def test_too_often(self) -> None:
        await self.people()
        self.reconfigure(rate_limits={"rc_presence": PresenceLimits()})
        await self.put(self.alice, ALICE, "online")
        body = {"presence": "unavailable"}
        await self.refused(429, "M_LIMIT_EXCEEDED", "PUT", path_of(ALICE), body, token=self.alice)
        await self.sync(self.alice, set_presence="unavailable")
        self.assertEqual(await self.state_of(self.alice, ALICE), "online", "ignored, not refused")
        self.advance(10)
        await self.sync(self.alice, set_presence="unavailable")
        self.assertEqual(await self.state_of(self.alice, ALICE), "unavailable")

    async def test_a_status_survives_a_restart_and_who_was_there_can_come_back(self) -> None:
        await self.people()
        await self.shared_room()
        await self.put(self.alice, ALICE, "online", status_msg="here")
        since = (await self.sync(self.bob))["next_batch"]
        self.advance(1)
        self.start(self.config)
        self.assertEqual((await self.get(self.bob, ALICE))["status_msg"], "here")
        await self.server.streams.presence.resume()
        self.assertEqual(await self.state_of(self.bob, ALICE), "online")
        self.assertEqual(told(await self.sync(self.bob, since=since, set_presence="offline")), {})
        for _ in range(8):
            self.advance(5)
        answer = await self.sync(self.bob, since=since, set_presence="offline")
        self.assertEqual(told(answer)[ALICE]["presence"], "offline")
        self.assertEqual((await self.get(self.bob, ALICE))["status_msg"], "here")

    async def test_what_the_sweep_found_is_written(self) -> None:
        await self.people()
        await self.sync(self.alice)
        for _ in range(8):
            self.advance(5)
        await self.finish_background()
        self.start(self.config)
        content = await self.get(self.alice, ALICE)
        self.assertEqual((content["presence"], content["last_active_ago"]), ("offline", 40_000))

    async def test_what_is_not_written_yet_is_written_when_the_server_stops(self) -> None:
        await self.people()
        await self.sync(self.alice)
        await self.server.streams.presence.close()
        self.start(self.config)
        self.assertEqual(await self.state_of(self.alice, ALICE), "online")


class SyncingTests(PresenceTestCase):
    async def test_who_syncs_is_online_and_offline_after_a_while(self) -> None:
        await self.people()
        await self.shared_room()
        await self.sync(self.alice)
        self.assertEqual(await self.state_of(self.bob, ALICE), "online")
        for _ in range(5):
            self.advance(5)
        self.assertEqual(await self.state_of(self.bob, ALICE), "online")
        for _ in range(2):
            self.advance(5)
        self.assertEqual(await self.state_of(self.bob, ALICE), "offline")

    async def test_a_waiting_sync_keeps_online_but_not_active(self) -> None:
        await self.people()
        await self.shared_room()
        since = (await self.sync(self.alice))["next_batch"]
        self.poll(self.alice, since, filter='{"presence": {"types": []}}')
        for seconds, state, active in ((50, "online", True), (20, "online", False)):
            self.advance(seconds)
            content = await self.get(self.bob, ALICE)
            self.assertEqual((content["presence"], content["currently_active"]), (state, active))
        self.advance(240)
        self.assertEqual(await self.state_of(self.bob, ALICE), "unavailable")

    async def test_a_client_that_goes_away_while_it_waits(self) -> None:
        await self.people()
        since = (await self.sync(self.alice))["next_batch"]
        waiting = self.poll(self.alice, since)
        self.advance(20)
        waiting.hang_up()
        for _ in range(8):
            self.advance(5)
        self.assertEqual(await self.state_of(self.alice, ALICE), "offline")

    async def test_set_presence(self) -> None:
        await self.people()
        for state in ("offline", "unavailable", "online", BUSY):
            await self.sync(self.alice, set_presence=state)
            self.assertEqual(await self.state_of(self.alice, ALICE), state)
        path = sync_path(set_presence="busy")
        await self.refused(400, "M_INVALID_PARAM", "GET", path, token=self.alice)

    async def test_several_devices(self) -> None:
        await self.people()
        phone = (await self.login("alice")).json["access_token"]
        await self.sync(self.alice, set_presence="unavailable")
        await self.sync(phone)
        self.assertEqual(await self.state_of(self.alice, ALICE), "online")
        self.advance(20)
        await self.sync(self.alice, set_presence="unavailable")
        for _ in range(3):
            self.advance(5)
        self.assertEqual(await self.state_of(self.alice, ALICE), "unavailable")

    async def test_what_counts_as_doing_something(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        event_id = await self.send(self.bob, room_id)
        typing = f"{V3}/rooms/{room_id}/typing/{ALICE}"
        receipt = f"{V3}/rooms/{room_id}/receipt/m.read/{event_id}"
        for method, path, body in (
            ("PUT", typing, {"typing": True}),
            ("POST", receipt, {}),
            ("PUT", f"{V3}/rooms/{room_id}/send/m.room.message/t", {"body": "x"}),
        ):
            await self.sync(self.alice, set_presence="unavailable")
            self.advance(10)
            await self.ok(method, path, body, token=self.alice)
            content = await self.get(self.bob, ALICE)
            self.assertEqual((content["presence"], content["last_active_ago"]), ("online", 0), path)

    async def test_what_is_refused_does_not_count(self) -> None:
        await self.people()
        room_id = await self.create_public(self.bob)
        await self.sync(self.alice, set_presence="unavailable")
        path = f"{V3}/rooms/{room_id}/send/m.room.message/t"
        await self.refused(403, "M_FORBIDDEN", "PUT", path, {"body": "x"}, token=self.alice)
        self.assertEqual(await self.state_of(self.alice, ALICE), "unavailable")


class TellingTests(PresenceTestCase):
    async def test_a_first_sync_tells_of_all_who_are_there(self) -> None:
        await self.people()
        carol, dave = await self.register("carol"), await self.register("dave")
        room_id = await self.shared_room()
        await self.join(carol, room_id)
        await self.sync(self.alice, set_presence="unavailable")
        await self.sync(dave)  # in no room
        self.assertEqual(set(told(await self.sync(self.bob))), {ALICE, BOB})
        answer = await self.sync(self.bob, full_state="true")
        self.assertEqual(told(answer)[ALICE]["presence"], "unavailable")
        self.assertEqual(set(told(await self.sync(dave))), {"@dave:test"})

    async def test_changes_are_told_once(self) -> None:
        await self.people()
        await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        self.assertEqual(told(await self.sync(self.bob, since=since)), {})
        await self.put(self.alice, ALICE, "online", status_msg="here")
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(
            told(answer),
            {
                ALICE: {
                    "presence": "online",
                    "last_active_ago": 0,
                    "currently_active": True,
                    "status_msg": "here",
                }
            },
        )
        self.assertEqual(told(await self.sync(self.bob, since=answer["next_batch"])), {})

    async def test_a_waiting_client_is_told(self) -> None:
        await self.people()
        await self.shared_room()
        carol = await self.register("carol")
        since = (await self.sync(self.bob))["next_batch"]
        other_since = (await self.sync(carol))["next_batch"]
        self.advance(1)
        waiting, other = self.poll(self.bob, since), self.poll(carol, other_since)
        await self.put(self.alice, ALICE, "online")
        self.assertEqual(waiting.sent, b"")
        self.advance(0.1)  # who shares rooms with alice, who doesn't sync, is read
        await self.finish_background()
        self.advance(0.1)
        self.assertEqual(set(told((await waiting.answered()).json)), {ALICE})
        self.assertEqual(other.sent, b"", "shares no room with alice")

    async def test_times_that_run_out_are_told(self) -> None:
        await self.people()
        await self.shared_room()
        await self.sync(self.alice)
        since = (await self.sync(self.bob))["next_batch"]
        self.advance(0.1)
        waiting = self.poll(self.bob, since, set_presence="offline")
        for _ in range(8):
            self.advance(5)
        self.advance(0.1)
        self.assertEqual(told((await waiting.answered()).json)[ALICE]["presence"], "offline")

    async def test_a_client_whose_time_is_up_before_its_turn_is_told(self) -> None:
        await self.people()
        await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        self.advance(1)
        path = sync_path(since=since, timeout=50)
        waiting = self.site.start("GET", path, token=self.bob)
        await self.put(self.alice, ALICE, "online")
        self.advance(0.06)
        self.assertEqual(set(told((await waiting.answered()).json)), {ALICE})

    async def test_who_comes_into_a_room_tells_and_is_told(self) -> None:
        await self.people()
        room_id = await self.create_public(self.alice)
        for join_first in (False, True):
            # Whether bob's clients know the room's members must not depend on the order.
            since = {t: (await self.sync(t))["next_batch"] for t in (self.alice, self.bob)}
            if join_first:
                await self.leave(self.bob, room_id)
            await self.join(self.bob, room_id)
            for token, other in ((self.alice, BOB), (self.bob, ALICE)):
                answer = await self.sync(token, since=since[token])
                self.assertIn(other, told(answer))

    async def test_a_new_name_is_no_news_of_presence(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.sync(self.alice)
        since = (await self.sync(self.bob))["next_batch"]
        content = {"membership": "join", "displayname": "Al"}
        await self.set_state(self.alice, room_id, "m.room.member", content, ALICE)
        self.assertEqual(told(await self.sync(self.bob, since=since)), {})

    async def test_filters(self) -> None:
        await self.people()
        await self.shared_room()
        await self.sync(self.alice)
        for definition, users in (
            ('{"presence": {"types": []}}', set()),
            ('{"presence": {"not_types": ["m.presence"]}}', set()),
            ('{"presence": {"senders": ["@alice:test"]}}', {ALICE}),
            ('{"presence": {"not_senders": ["@alice:test"]}}', {BOB}),
            ('{"presence": {"types": ["m.*"]}}', {ALICE, BOB}),
        ):
            answer = await self.sync(self.bob, filter=definition)
            self.assertEqual(set(told(answer)), users, definition)
        answer = await self.sync(self.bob, filter='{"presence": {"limit": 1}}')
        self.assertEqual(len(told(answer)), 1)

    async def test_an_old_token_is_told_who_is_there(self) -> None:
        await self.people()
        await self.shared_room()
        since = (await self.sync(self.bob))["next_batch"]
        self.advance(1)
        self.start(self.config)
        await self.put(self.alice, ALICE, "online")
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(told(answer)[ALICE]["presence"], "online")

    async def test_an_empty_sync_asks_the_database_nothing(self) -> None:
        await self.people()
        await self.shared_room()
        await self.sync(self.alice)
        since = (await self.sync(self.bob))["next_batch"]
        before = {name: timing.count for name, timing in self.database.timings.items()}
        answer = await self.sync(self.bob, since=since)
        self.assertEqual(set(answer), ALWAYS)
        after = {name: timing.count for name, timing in self.database.timings.items()}
        self.assertEqual(after, before)

    async def test_offline_users_on_demand(self) -> None:
        await self.people()
        await self.shared_room()
        await self.put(self.alice, ALICE, "offline", status_msg="away")
        self.assertEqual(set(told(await self.sync(self.bob))), {BOB})
        self.reconfigure(presence={"include_offline_users_on_sync": True})
        content = told(await self.sync(self.bob))[ALICE]
        self.assertEqual((content["presence"], content["status_msg"]), ("offline", "away"))
        carol = await self.register("carol")
        (room_id,) = (await self.sync(self.bob))["rooms"]["join"]
        await self.join(carol, room_id)
        self.assertEqual(told(await self.sync(self.bob))[CAROL], {"presence": "offline"})


class ManyTests(PresenceTestCase):
    async def test_clients_are_woken_a_few_at_a_time(self) -> None:
        await self.people()
        room_id = await self.shared_room()
        await self.sync(self.alice)
        tokens = [await self.register(f"user{n}") for n in range(WOKEN_AT_ONCE + 5)]
        for token in tokens:
            await self.join(token, room_id)
        self.advance(1)
        connections = []
        for token in tokens:
            since = (await self.sync(token, set_presence="offline"))["next_batch"]
            connections.append(self.poll(token, since, set_presence="offline"))
        await self.put(self.alice, ALICE, BUSY)
        self.advance(0.1)
        answered = sum(connection.sent != b"" for connection in connections)
        self.assertEqual(answered, WOKEN_AT_ONCE)
        self.advance(0.1)
        self.assertTrue(all(connection.sent for connection in connections))

    async def test_presence_alone_does_not_answer_out_of_turn(self) -> None:
        await self.people()
        await self.shared_room()
        await self.sync(self.alice)
        since = (await self.sync(self.bob))["next_batch"]
        self.advance(1)
        await self.put(self.alice, ALICE, BUSY)
        waiting = self.poll(self.bob, since)
        self.assertEqual(waiting.sent, b"")
        self.advance(0.1)
        self.assertEqual(set(told((await waiting.answered()).json)), {ALICE})


class ConfiguredTests(PresenceTestCase):
    async def test_switched_off(self) -> None:
        await self.people()
        await self.shared_room()
        await self.put(self.alice, ALICE, "online")
        self.reconfigure(presence={"enabled": "false"})
        await self.put(self.alice, ALICE, "online", status_msg="here")
        self.assertEqual(await self.get(self.bob, ALICE), {"presence": "offline"})
        self.assertNotIn("presence", await self.sync(self.bob))
        await self.refused(403, "M_FORBIDDEN", "GET", path_of("@eve:test"), token=self.bob)

    async def test_untracked(self) -> None:
        await self.people()
        await self.shared_room()
        await self.put(self.alice, ALICE, BUSY)
        self.reconfigure(presence={"enabled": "untracked"})
        await self.server.streams.presence.resume()
        await self.put(self.alice, ALICE, "online")
        await self.sync(self.alice)
        self.advance(100)
        self.assertEqual(await self.state_of(self.bob, ALICE), BUSY)
        self.assertEqual(set(told(await self.sync(self.bob))), {ALICE})

    async def test_times(self) -> None:
        await self.people()
        self.reconfigure(
            presence={
                "last_active_granularity_ms": 10_000,
                "sync_online_timeout_ms": 60_000,
                "idle_timeout_ms": 20_000,
            }
        )
        await self.sync(self.alice)
        for seconds, state, active in (
            (10, "online", False),
            (10, "unavailable", None),
            (40, "offline", None),
        ):
            for _ in range(seconds // 5):
                self.advance(5)
            content = await self.get(self.alice, ALICE)
            self.assertEqual(
                (content["presence"], content.get("currently_active")), (state, active)
            )
