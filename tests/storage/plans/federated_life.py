"""What other servers do to rooms in the life of a server."""

from synapse.api.room_versions import ROOM_VERSIONS
from synapse.events.event import Event
from synapse.rooms.asides import Aside
from synapse.rooms.history import HistoryPage
from synapse.storage.stores.forks import KnownState
from synapse.storage.stores.staging import NewlyStaged, StagingStore
from tests.rest.remote import MOD, ROB, RemoteRoom
from tests.rest.rooms import V3
from tests.rooms.elsewhere import Elsewhere
from tests.storage.plans.key_life import KeyLifeTestCase
from tests.storage.plans.room_life import ALICE, BOB


class FederatedLifeTestCase(KeyLifeTestCase):
    async def _federate(self) -> None:
        await self._meet_forks()
        await self._stand_before_rooms()
        await self._enter_a_room()
        await self._enter_a_room_without_its_members()
        await self._stage()

    async def _meet_forks(self) -> None:
        server, levels = self.server, {"users": {MOD: 100}, "state_default": 0}
        self.forked = await self.create_public(self.alice, power_level_content_override=levels)
        remote = await RemoteRoom.of(server, self.forked)
        model = remote.model
        for user in (MOD, ROB):
            await remote.deliver(server, model.join(user))
        old = [model.last]
        since = (await self.sync(self.bob))["next_batch"]
        alices = (await self.sync(self.alice))["next_batch"]
        # Bob loses his join, and topics conflict; a redaction comes early.
        await self.join(self.bob, self.forked)
        await self.set_state(self.alice, self.forked, "m.room.topic", {"topic": "ours"})
        message = model.say(MOD, "sorry", after=old)
        redaction = model.must_send("m.room.redaction", MOD, {}, redacts=message.event_id)
        await remote.deliver(server, model.topic(ROB, "theirs", after=old))
        late = model.topic(MOD, "late", after=old)
        await remote.keep(server, late)
        rule = model.must_send("m.room.join_rules", MOD, {"join_rule": "invite"}, "", after=old)
        await self.sync(self.bob, since=since)
        # Of two names, the one between is in no state.
        after = old
        for name in ("Rob", "Robert"):
            content = {"membership": "join", "displayname": name}
            named = model.must_send("m.room.member", ROB, content, ROB, after=after)
            await remote.deliver(server, named)
            after = [named.event_id]
        await remote.deliver(server, rule)
        await remote.deliver(server, late)
        await remote.deliver(server, message)
        await remote.deliver(server, redaction)
        forbidden = model.send("m.room.name", "@nobody:elsewhere", {}, "", forbidden=True)
        assert forbidden is not None
        await remote.deliver(server, forbidden)
        for n in range(12):  # more ends than an event names
            await remote.deliver(server, model.say(ROB, str(n), after=old))
        await self.send(self.alice, self.forked, "together")
        await self.sync(self.bob, since=since)
        await self.sync(self.alice, since=alices)
        await self._sync_all()
        room = await server.rooms.cache.get(self.forked)
        await server.stores.flips.newest(room.nid)

    async def _stand_before_rooms(self) -> None:
        server, model = self.server, Elsewhere.begin(ROOM_VERSIONS["10"], MOD)
        nid = await server.rooms.entrances.open(model.room_id, model.version)
        invite = model.must_send("m.room.member", MOD, {"membership": "invite"}, BOB)
        await server.rooms.doorstep.stand(nid, model.arrival(invite).event, [])
        await self._sync_all()
        await self._slide()
        await self.get(self.bob, f"{V3}/initialSync", limit=5)
        leave = model.must_send("m.room.member", MOD, {"membership": "leave"}, BOB)
        await server.rooms.doorstep.stand(nid, model.arrival(leave).event, [])
        await self.sync(self.bob, since=self.since[self.bob])

    async def _enter_a_room(self) -> None:
        server, model = self.server, Elsewhere.begin(ROOM_VERSIONS["11"], MOD)
        before = model.say(MOD, "long ago")
        nid = await server.rooms.entrances.open(model.room_id, model.version)
        events = {e.event_id: model.arrival(e).event for e in model.events.values()}
        asides = [Aside(e, [events[a] for a in e.auth_event_ids()]) for e in events.values()]
        await server.rooms.asides.keep(nid, [a for a in asides if a.event.is_state])
        state = [events[event.event_id] for event in model.state()]
        join = model.join(ALICE)
        await server.rooms.entrances.enter(await RemoteRoom.arrival_of(server, model, join), state)
        room = await server.rooms.cache.get(model.room_id)
        gap = await server.rooms.history.gap(nid, room.pos)
        assert gap is not None
        await server.rooms.asides.keep(nid, [a for a in asides if not a.event.is_state])
        (old,) = (await server.stores.events.get_many([before.event_id])).values()
        await server.rooms.history.place(HistoryPage(nid, gap[0], [old], ["$missing"], ["$lost"]))
        await self.messages(self.alice, model.room_id)

    async def _enter_a_room_without_its_members(self) -> None:
        server, model = self.server, Elsewhere.begin(ROOM_VERSIONS["10"], MOD)
        rooms = server.rooms
        nid = await rooms.entrances.open(model.room_id, model.version)
        events = {e.event_id: model.arrival(e).event for e in model.events.values()}
        asides = [Aside(e, [events[a] for a in e.auth_event_ids()]) for e in events.values()]
        await rooms.asides.keep(nid, asides)
        state = [events[event.event_id] for event in model.state()]
        join = await RemoteRoom.arrival_of(server, model, model.join(ALICE))
        others = [event for event in state if event.type != "m.room.member"]
        await rooms.entrances.enter(join, others, partial_servers=["elsewhere"])
        remote = RemoteRoom(model.room_id, model)
        await remote.deliver(server, model.say(MOD, "hello"))
        await remote.deliver(server, model.must_send("m.room.topic", MOD, {"topic": "t"}, ""))
        model.say(MOD, "lost")
        await remote.deliver(server, model.say(MOD, "found"))
        room = await rooms.cache.get(model.room_id)
        await rooms.servers.all(room)
        await self.sync(self.alice)
        since = (await self.sync(self.alice))["next_batch"]
        known = await rooms.partial_store.get(nid)
        assert known is not None
        members = [event for event in state if event.type == "m.room.member"]
        await rooms.completion.keep_members(room, members)

        async def tell(event: Event) -> KnownState:
            return KnownState(room.view_nid, {})

        await rooms.completion.complete(model.room_id, tell)
        await self.sync(self.alice, since=since)
        await rooms.partial_store.drop(known)
        assert (await rooms.cache.get(model.room_id)).whole_since

    async def _stage(self) -> None:
        """What came in a transaction and has to wait."""
        staging = StagingStore(self.database)
        await staging.stage([NewlyStaged(1, f"${n}", "elsewhere", b"{}", 0) for n in range(3)])
        (first, *_) = await staging.next(1, 2)
        await staging.count(1, 10)
        await staging.rooms()
        await staging.tried(first.stage_nid)
        await staging.done([first.stage_nid])
        await staging.answered("elsewhere", "1", 0, b"{}")
        await staging.answer("elsewhere", "1")
        await staging.forget_answers(1)
