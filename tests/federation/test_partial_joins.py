"""Joining rooms without being told of their members, and learning of these afterwards."""

from typing import Any
from urllib.parse import quote

import orjson
from twisted.internet.defer import Deferred

from synapse.events.builder import build
from synapse.events.event import Event
from synapse.federation.errors import RemoteError
from synapse.federation.partial_rooms import PATIENCE_S
from synapse.rooms.wholeness import LONGEST_WAIT_S
from tests.federation.partial import PartialRoomTestCase
from tests.federation.rooms import ONE, THREE, TWO, V3, path
from tests.federation.servers import always, key_of

LAZY = '{"room":{"state":{"lazy_load_members":true}}}'


class PartialJoinTests(PartialRoomTestCase):
    async def test_a_room_is_entered_without_its_members(self) -> None:
        await self.arrange_room()
        self.assertTrue((await self.room(TWO, self.room_id)).is_partial)
        state = await self.state_ids(TWO, self.room_id)
        members = [key for type, key in state if type == "m.room.member"]
        self.assertEqual(members, [self.user("bob")])
        await self.complete()

    async def test_afterwards_it_is_known_as_elsewhere(self) -> None:
        for version in ("1", "6", "12"):
            with self.subTest(version=version):
                await self.arrange_room(version=version)
                await self.say("carol", self.room_id)
                await self.rest()
                await self.complete()
                await self.assert_same()

    async def test_messages_go_both_ways_before_it_is_whole(self) -> None:
        await self.arrange_room()
        for speaker in ("carol", "bob", "alice", "bob", "carol"):
            event_id = await self.say(speaker, self.room_id)
            await self.rest()
            for server in (ONE, TWO, THREE):
                event = await self.servers[server].stores.events.get(event_id)
                assert event is not None, (speaker, server)
                self.assertIsNotNone(event.pos, (speaker, server))
        self.assertTrue((await self.room(TWO, self.room_id)).is_partial)
        await self.complete()
        await self.assert_same(THREE)

    async def test_a_server_that_omits_nothing_is_understood(self) -> None:
        await self.arrange()
        room_id = await self.create()
        self.network.tampers["send_join"] = lambda answer: {**answer, "members_omitted": False}
        await self.join("bob", room_id, ONE)
        self.assertFalse((await self.room(TWO, room_id)).is_partial)

    async def test_answers_that_lack_what_they_should_have(self) -> None:
        def without(*types: str) -> Any:
            def tamper(answer: Any) -> Any:
                for key in ("state", "auth_chain"):
                    answer[key] = [e for e in answer[key] if e["type"] not in types]
                return answer

            return tamper

        def no_servers(answer: Any) -> Any:
            del answer["servers_in_room"]
            return answer

        await self.arrange()
        for tamper in (
            no_servers,
            without("m.room.create"),
            without("m.room.power_levels"),
            without("m.room.join_rules"),
            lambda answer: {**answer, "servers_in_room": 3},
            lambda answer: {**answer, "servers_in_room": [ONE] * 20_001},
        ):
            with self.subTest():
                room_id = await self.create(name="Large")
                self.network.tampers["send_join"] = tamper
                status = await self.refused(
                    "bob", "POST", f"{V3}/join/{quote(room_id, safe='')}?via={ONE}", {}
                )
                self.assertEqual(status, (502, "M_UNKNOWN"))
                self.network.tampers.clear()

    async def test_names_of_servers_that_are_none_are_left_out(self) -> None:
        await self.arrange()
        room_id = await self.create(name="Large")
        self.hold()
        odd = [ONE, "two.test", "no name", "", "x" * 300]
        self.network.tampers["send_join"] = lambda answer: {**answer, "servers_in_room": odd}
        await self.join("bob", room_id, ONE)
        room = await self.room(TWO, room_id)
        partial = await self.servers[TWO].rooms.partial_store.get(room.nid)
        assert partial is not None
        self.assertEqual(partial.servers, [ONE])

    async def test_all_servers_that_were_told_hear_from_us(self) -> None:
        await self.arrange_room()
        # The one through which we came can't pass it on.
        self.network.cut_off(ONE)
        event_id = await self.say("bob", self.room_id)
        await self.rest()
        self.assertIsNotNone(await self.servers[THREE].stores.events.get(event_id))


class CompletionTests(PartialRoomTestCase):
    async def test_servers_are_asked_in_turn(self) -> None:
        await self.arrange_room()
        self.assertEqual(self.asked(), [ONE, THREE, ONE])
        # Then they are left alone for a while.
        await self.settle(5)
        self.assertEqual(len(self.asked()), 3)
        await self.complete()
        await self.assert_same()

    def asked(self) -> list[str]:
        """Whom two.test has asked for members."""
        return [to for who, to, _ in self.requests("/v1/state/") if who == TWO]

    async def test_a_restart_goes_on(self) -> None:
        await self.arrange_room()
        await self.say("carol", self.room_id)
        await self.rest()
        await self.restart()
        self.assertTrue((await self.room(TWO, self.room_id)).is_partial)
        await self.complete()
        await self.assert_same()

    async def test_a_restart_after_the_members_were_told(self) -> None:
        await self.arrange_room()
        await self.say("carol", self.room_id)
        await self.rest()
        server = self.servers[TWO]
        room = await self.room(TWO, self.room_id)
        assert room.entrance is not None
        self.network.before = None
        members = await server.federation.completions.members_at(ONE, room, room.entrance)
        await server.rooms.completion.keep_members(room, members)
        self.hold()
        await self.restart()
        self.network.log.clear()
        await self.rest()
        self.assertFalse((await self.room(TWO, self.room_id)).is_partial)
        self.assertEqual(self.requests("/v1/state/"), [])
        await self.assert_same()

    async def restart(self) -> None:
        """two.test is killed, and comes again."""
        await self.stop_server(TWO, crash=True)
        self.servers[TWO].federation.completions.stop()
        server = self.start_server(TWO)
        await server.federation.sending.start()
        await server.federation.completions.resume()
        await self.rest()

    async def test_states_that_are_none(self) -> None:
        """Whoever tells those is asked again later, and another one before."""

        def without(type: str, *keys: str) -> Any:
            def tamper(answer: Any) -> Any:
                answer["pdus"] = [
                    e
                    for e in answer["pdus"]
                    if e["type"] != type or (keys and e["state_key"] not in keys)
                ]
                return answer

            return tamper

        for number, tamper in enumerate(
            (
                always({}),
                always([]),
                always({"pdus": 3, "auth_chain": []}),
                always({"pdus": [], "auth_chain": []}),
                without("m.room.create"),
                without("m.room.member"),
                # Each tells a state in which it has nobody.
                without("m.room.member", "@alice:one.test", "@carol:three.test"),
            )
        ):
            with self.subTest(number=number):
                await self.arrange_room()
                self.network.before = None
                self.network.tampers["/v1/state/"] = tamper
                await self.settle(10)
                await self.rest()
                self.assertTrue((await self.room(TWO, self.room_id)).is_partial)
                self.network.tampers.clear()
                await self.settle(3600)
                await self.rest()
                await self.assert_same()

    async def test_who_was_banned_has_said_nothing(self) -> None:
        """What a banned user's server sends while we know of no ban is gone afterwards."""
        for version in ("1", "6", "12"):
            with self.subTest(version=version):
                await self.arrange_room("dave", version=version)
                await self.come_back_after_a_ban("dave")
                said = await self.forge("dave", "m.room.message", {"body": "spam"})
                topic = await self.forge("dave", "m.room.member", {"membership": "join"}, said)
                for event in (said, topic):
                    await self.assert_placed(event.event_id, placed=True)
                after = await self.say("carol", self.room_id)
                await self.rest()
                since = (await self.ask("bob", "GET", f"{V3}/sync?filter={LAZY}"))["next_batch"]
                await self.complete()
                for event in (said, topic):
                    await self.assert_placed(event.event_id, placed=False)
                await self.assert_placed(after, placed=True)
                await self.assert_same()
                page = await self.ask("bob", "GET", path(self.room_id, "/messages?dir=b&limit=9"))
                senders = [event["sender"] for event in page["chunk"]]
                self.assertNotIn(self.user("dave"), senders)
                sync = await self.ask("bob", "GET", f"{V3}/sync?filter={LAZY}&since={since}")
                (member,) = sync["rooms"]["join"][self.room_id]["state"]["events"]
                self.assertEqual(member["content"]["membership"], "ban")

    async def come_back_after_a_ban(self, name: str) -> None:
        """bob leaves, somebody is banned, bob joins again: what was known before counts no more."""
        await self.complete()
        self.hold()
        await self.ask("bob", "POST", path(self.room_id, "/leave"), {})
        await self.rest()
        ban = {"user_id": self.user(name)}
        await self.ask("alice", "POST", path(self.room_id, "/ban"), ban)
        await self.rest()
        await self.join("bob", self.room_id, ONE)
        await self.rest()

    async def forge(
        self,
        name: str,
        type: str,
        content: dict[str, Any],
        prev: Event | None = None,
        *,
        is_sent: bool = True,
    ) -> Event:
        """What a banned user's server makes of their join from before, and sends to two.test."""
        room = await self.room(TWO, self.room_id)
        assert room.entrance is not None
        user_id, stores = self.user(name), self.servers[THREE].stores
        member = await stores.events.get(self.joins[name])
        assert member is not None
        levels, rules, create = [
            event
            for key in ("m.room.power_levels", "m.room.join_rules", "m.room.create")
            if (event := await self.servers[TWO].rooms.cache.current(room, key)) is not None
        ]
        auth_events = [levels, member]
        if not room.version.room_id_is_hash:
            auth_events.append(create)
        if type == "m.room.member":
            auth_events.append(rules)
        event = build(
            room.version,
            room_id=self.room_id,
            type=type,
            sender=user_id,
            state_key=user_id if type == "m.room.member" else None,
            content=content,
            prev_events=[prev or room.entrance],
            auth_events=auth_events,
            depth=room.depth + 1,
            origin_server_ts=self.clock.now_ms(),
            server_name=THREE,
            key=key_of(THREE),
            event_id_localpart=f"forged{type}" if room.version.events_have_ids else None,
        )
        if not is_sent:
            return event
        self.carried += 1
        answer = await self.network.links[THREE].request(
            TWO,
            "PUT",
            f"/_matrix/federation/v1/send/{self.carried}",
            json={"origin": THREE, "origin_server_ts": 1, "pdus": [orjson.loads(event.json)]},
        )
        self.assertEqual(answer["pdus"], {event.event_id: {}})
        await self.rest()
        return event

    async def assert_placed(self, event_id: str, *, placed: bool) -> None:
        event = await self.servers[TWO].stores.events.get(event_id)
        assert event is not None
        self.assertEqual(event.pos is not None, placed)
        self.assertEqual(bool(event.state_nid) and not event.rejected, placed)

    async def test_what_stands_on_history_before_our_join(self) -> None:
        for version in ("1", "6", "12"):
            with self.subTest(version=version):
                await self.arrange_room(version=version)
                await self.ask("bob", "POST", path(self.room_id, "/leave"), {})
                await self.rest()
                # carol speaks and changes her name on a branch of her own.
                self.network.cut.add(frozenset({ONE, THREE}))
                said = [await self.say("carol", self.room_id) for _ in range(3)]
                profile = {"membership": "join", "displayname": "Carol the Great"}
                member = path(self.room_id, f"/state/m.room.member/{quote(self.user('carol'))}")
                said.append((await self.ask("carol", "PUT", member, profile))["event_id"])
                await self.say("alice", self.room_id)
                await self.join("bob", self.room_id, ONE)
                self.network.heal()
                await self.settle(30)
                said.append(await self.say("carol", self.room_id))
                await self.rest()
                self.assertTrue((await self.room(TWO, self.room_id)).is_partial)
                await self.assert_placed(said[-1], placed=True)
                await self.complete(after_s=3600)
                await self.assert_same()
                for event_id in said[-1:]:
                    await self.assert_placed(event_id, placed=True)
                page = await self.ask("bob", "GET", path(self.room_id, "/messages?dir=b&limit=50"))
                shown = [event["event_id"] for event in page["chunk"]]
                self.assertIn(said[-1], shown)

    async def test_who_reads_back_meanwhile(self) -> None:
        for version in ("1", "12"):
            with self.subTest(version=version):
                await self.arrange_room(version=version)
                page = await self.ask("bob", "GET", path(self.room_id, "/messages?dir=b&limit=50"))
                while "end" in page:
                    url = path(self.room_id, f"/messages?dir=b&limit=50&from={page['end']}")
                    page = await self.ask("bob", "GET", url)
                room = await self.room(TWO, self.room_id)
                first = await self.servers[TWO].stores.events.after(room.nid, -(2**60), 1)
                self.assertEqual(first[0].type, "m.room.create")
                self.assertTrue(room.is_partial)
                await self.say("carol", self.room_id)
                await self.rest()
                await self.complete()
                await self.assert_same()

    async def test_what_stands_on_nothing_is_gone_afterwards(self) -> None:
        await self.arrange_room("dave")
        await self.complete()
        await self.ask("bob", "POST", path(self.room_id, "/leave"), {})
        await self.rest()
        self.hold()
        await self.join("bob", self.room_id, ONE)
        await self.rest()
        lost = await self.forge("dave", "m.room.message", {"body": "lost"}, is_sent=False)
        said = await self.forge("dave", "m.room.message", {"body": "odd"}, lost)
        await self.assert_placed(said.event_id, placed=True)
        after = await self.say("carol", self.room_id)
        await self.complete(after_s=3600)
        await self.assert_placed(said.event_id, placed=False)
        await self.assert_placed(after, placed=True)

    async def test_what_stands_on_another_room_gets_nothing_of_it(self) -> None:
        await self.arrange_room("dave")
        await self.complete()
        await self.ask("bob", "POST", path(self.room_id, "/leave"), {})
        await self.rest()
        self.hold()
        await self.join("bob", self.room_id, ONE)
        await self.rest()
        other_id = await self.create("bob", room_version="11", name="Other", topic="Other")
        await self.join("dave", other_id, TWO)
        stores = self.servers[TWO].stores
        other = await stores.events.get(await self.say("bob", other_id))
        said = await self.forge("dave", "m.room.message", {"body": "odd"}, other)
        room = await self.room(TWO, self.room_id)
        state = (await stores.states.events_at(room.view_nid)).values()
        self.assertEqual({event.room_id for event in state}, {self.room_id})
        await self.say("carol", self.room_id)
        await self.complete(after_s=3600)
        await self.assert_placed(said.event_id, placed=False)
        self.assertEqual(
            await self.state_ids(TWO, self.room_id), await self.state_ids(ONE, self.room_id)
        )

    async def test_nobody_of_ours_is_left(self) -> None:
        await self.arrange_room()
        await self.ask("bob", "POST", path(self.room_id, "/leave"), {})
        await self.rest()
        self.network.log.clear()
        await self.settle(10)
        await self.rest()
        self.assertEqual(self.requests("/v1/state/"), [])
        rows = await self.servers[TWO].database.fetch("SELECT * FROM partial_rooms")
        self.assertEqual(rows, [])
        self.network.before = None
        await self.join("bob", self.room_id, ONE)
        await self.rest()
        await self.assert_same()


class WaitingTests(PartialRoomTestCase):
    async def test_members_are_waited_for(self) -> None:
        await self.arrange_room()
        event_id = await self.say("bob", self.room_id)
        members = {self.user(name) for name in ("alice", "bob", "carol")}
        waiting = {
            url: self.ask_later("bob", "GET", path(self.room_id, url))
            for url in (
                "/members",
                "/joined_members",
                "/state",
                f"/context/{quote(event_id)}",
                f"/state/m.room.member/{quote(self.user('carol'))}",
            )
        }
        await self.rest()
        for url, answer in waiting.items():
            self.assertFalse(answer.called, url)
        await self.complete()
        joined = (await waiting["/joined_members"])["joined"]
        self.assertEqual(set(joined), members)
        chunk = (await waiting["/members"])["chunk"]
        self.assertEqual({e["state_key"] for e in chunk}, members)
        for url in ("/state", f"/context/{quote(event_id)}"):
            answer = await waiting[url]
            state = answer if url == "/state" else answer["state"]
            found = {e["state_key"] for e in state if e["type"] == "m.room.member"}
            self.assertEqual(found, members, url)

    async def test_who_holds_the_room_as_it_was_does_not_wait(self) -> None:
        await self.arrange_room()
        room = await self.room(TWO, self.room_id)
        await self.complete()
        self.assertTrue(room.is_partial)
        whole = await self.servers[TWO].rooms.wholeness.of(room)
        self.assertFalse(whole.is_partial)

    async def test_not_for_ever(self) -> None:
        await self.arrange_room()
        answer = self.ask_later("bob", "GET", path(self.room_id, "/members"))
        while not answer.called:
            await self.settle(LONGEST_WAIT_S + 1)
        with self.assertRaises(self.failureException) as raised:
            await answer
        self.assertIn("M_UNABLE_DUE_TO_PARTIAL_STATE", str(raised.exception))
        self.assertIn("504", str(raised.exception))

    async def test_what_needs_no_members_is_answered(self) -> None:
        await self.arrange_room()
        name = await self.ask("bob", "GET", path(self.room_id, "/state/m.room.name"))
        self.assertEqual(name, {"name": "Large"})
        own = path(self.room_id, f"/state/m.room.member/{quote(self.user('bob'))}")
        self.assertEqual((await self.ask("bob", "GET", own))["membership"], "join")
        await self.ask("bob", "GET", path(self.room_id, "/messages?dir=b&limit=1"))

    async def test_who_else_comes_or_has_to_go(self) -> None:
        await self.arrange_room("dave")
        self.homes["erin"] = TWO
        self.tokens["erin"] = await self.register(TWO, "erin")
        url = f"{V3}/join/{quote(self.room_id, safe='')}"
        joining = self.ask_later("erin", "POST", url, {})
        invite = {"user_id": self.user("erin")}
        inviting = self.ask_later("bob", "POST", path(self.room_id, "/invite"), invite)
        await self.rest()
        self.assertFalse(joining.called)
        self.assertFalse(inviting.called)
        await self.complete()
        await self.rest()
        await joining
        self.assertTrue(inviting.called)
        inviting.addErrback(lambda _: None)
        self.assertEqual(await self.membership(ONE, self.room_id, self.user("erin")), "join")


class SyncTests(PartialRoomTestCase):
    async def sync(self, filter: str = "{}", since: str | None = None) -> Any:
        query = f"filter={quote(filter)}" + (f"&since={since}" if since else "")
        return await self.ask("bob", "GET", f"{V3}/sync?{query}")

    async def test_who_speaks_is_known_to_lazy_clients(self) -> None:
        await self.arrange_room()
        sync = await self.sync(LAZY)
        self.assertNotIn("summary", sync["rooms"]["join"][self.room_id])
        await self.say("carol", self.room_id)
        await self.rest()
        news = await self.sync(LAZY, sync["next_batch"])
        joined = news["rooms"]["join"][self.room_id]
        members = [e["state_key"] for e in joined["state"]["events"]]
        self.assertEqual(members, [self.user("carol")])
        self.assertFalse(joined["timeline"]["limited"])
        await self.complete()
        # Nothing has changed but that the members are counted.
        news = await self.sync(LAZY, news["next_batch"])
        joined = news["rooms"]["join"][self.room_id]
        self.assertEqual(joined["timeline"]["events"], [])
        self.assertEqual(joined["state"]["events"], [])
        self.assertEqual(joined["summary"]["m.joined_member_count"], 3)

    async def test_other_clients_are_shown_the_room_when_it_is_whole(self) -> None:
        await self.arrange_room()
        first = await self.sync()
        self.assertNotIn("rooms", first)
        await self.say("carol", self.room_id)
        await self.rest()
        second = await self.sync(since=first["next_batch"])
        self.assertNotIn("rooms", second)
        await self.complete()
        for since in (None, first["next_batch"], second["next_batch"]):
            sync = await self.sync(since=since)
            joined = sync["rooms"]["join"][self.room_id]
            members = {
                e["state_key"]
                for e in (*joined["state"]["events"], *joined["timeline"]["events"])
                if e["type"] == "m.room.member"
            }
            expected = {self.user(name) for name in ("alice", "bob", "carol")}
            self.assertEqual(members, expected)
            self.assertEqual(joined["summary"]["m.joined_member_count"], 3)
            last = joined["timeline"]["events"][-1]
            self.assertEqual(last["sender"], self.user("carol"))
        self.assertNotIn("rooms", await self.sync(since=sync["next_batch"]))

    async def test_who_waits_is_woken(self) -> None:
        await self.arrange_room()
        since = (await self.sync())["next_batch"]
        waiting = self.ask_later("bob", "GET", f"{V3}/sync?timeout=300000&since={since}")
        await self.complete()
        self.assertIn(self.room_id, (await waiting)["rooms"]["join"])

    async def test_sliding_sync(self) -> None:
        await self.arrange_room()
        url = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0"
        lists = {
            "lazy": [["m.room.member", "$LAZY"], ["m.room.name", ""]],
            "all": [["m.room.member", "*"]],
        }

        async def look(name: str, pos: str | None = None) -> Any:
            wanted = {
                "ranges": [[0, 9]],
                "timeline_limit": 5,
                "required_state": lists[name],
            }
            more = f"&pos={pos}" if pos else ""
            body = {"conn_id": name, "lists": {"a": wanted}}
            return await self.ask("bob", "POST", url + more, body)

        lazy, full = await look("lazy"), await look("all")
        self.assertIn(self.room_id, lazy["rooms"])
        self.assertNotIn("joined_count", lazy["rooms"][self.room_id])
        self.assertEqual(full["rooms"], {})
        self.assertEqual(full["lists"]["a"]["count"], 0)
        await self.complete()
        lazy, full = await look("lazy", lazy["pos"]), await look("all", full["pos"])
        self.assertEqual(lazy["rooms"][self.room_id]["joined_count"], 3)
        room = full["rooms"][self.room_id]
        self.assertTrue(room["initial"])
        self.assertEqual(len(room["required_state"]), 3)


class AskedTests(PartialRoomTestCase):
    """What others ask two.test before it knows the members."""

    async def test_what_cannot_be_answered(self) -> None:
        await self.arrange_room()
        room = await self.room(TWO, self.room_id)
        assert room.entrance is not None
        room_id, event_id = (quote(x, safe="") for x in (self.room_id, room.entrance.event_id))
        for url in (
            f"state/{room_id}?event_id={event_id}",
            f"state_ids/{room_id}?event_id={event_id}",
        ):
            with self.subTest(url=url):
                with self.assertRaises(RemoteError) as raised:
                    self.network.before = None
                    await self.network.links[THREE].request(
                        TWO, "GET", f"/_matrix/federation/v1/{url}"
                    )
                self.assertEqual(raised.exception.errcode, "M_UNABLE_DUE_TO_PARTIAL_STATE")

    async def make_join(self, room_id: str) -> Any:
        """What dave of three.test is told who wants to join by two.test."""
        user = quote("@dave:three.test", safe="")
        url = f"/_matrix/federation/v1/make_join/{quote(room_id, safe='')}/{user}?ver=11"
        return await self.network.links[THREE].request(TWO, "GET", url)

    async def test_who_comes_by_us_waits_until_the_members_are_known(self) -> None:
        await self.arrange_room()
        asked = Deferred.fromCoroutine(self.make_join(self.room_id))
        await self.rest()
        self.assertFalse(asked.called)
        await self.complete()
        self.assertEqual((await asked)["room_version"], "11")

    async def test_and_is_sent_away_if_that_takes_long(self) -> None:
        await self.arrange_room()
        asked = Deferred.fromCoroutine(self.make_join(self.room_id))
        while not asked.called:
            await self.settle(PATIENCE_S)
        with self.assertRaises(RemoteError) as raised:
            await asked
        self.assertEqual(raised.exception.errcode, "M_UNABLE_DUE_TO_PARTIAL_STATE")

    async def test_what_can(self) -> None:
        await self.arrange_room()
        event_id = await self.say("bob", self.room_id)
        room_id = quote(self.room_id, safe="")
        ask = self.network.links[THREE].request
        prefix = "/_matrix/federation/v1"
        event = await ask(TWO, "GET", f"{prefix}/event/{quote(event_id)}")
        self.assertEqual(event["pdus"][0]["content"], {"body": "x"})
        await ask(TWO, "GET", f"{prefix}/event_auth/{room_id}/{quote(event_id)}")
        page = await ask(TWO, "GET", f"{prefix}/backfill/{room_id}?v={quote(event_id)}&limit=5")
        self.assertEqual(len(page["pdus"]), 2)
        missing = {"earliest_events": [], "latest_events": [event_id], "limit": 5}
        told = await ask(TWO, "POST", f"{prefix}/get_missing_events/{room_id}", json=missing)
        self.assertEqual(len(told["events"]), 1)

    async def test_typing_of_members_who_are_not_known(self) -> None:
        await self.arrange_room()
        url = path(self.room_id, f"/typing/{quote(self.user('carol'))}")
        since = (await self.ask("bob", "GET", f"{V3}/sync?filter={LAZY}"))["next_batch"]
        await self.ask("carol", "PUT", url, {"typing": True, "timeout": 20_000})
        await self.rest()
        sync = await self.ask("bob", "GET", f"{V3}/sync?filter={LAZY}&since={since}")
        typing = sync["rooms"]["join"][self.room_id]["ephemeral"]["events"]
        self.assertEqual(typing[0]["content"]["user_ids"], [self.user("carol")])
