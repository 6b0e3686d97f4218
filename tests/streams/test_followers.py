"""Followers: who is told of what."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock as FakeTime

from synapse.streams.followers import IDLE_MS, Follower, Followers
from synapse.util.clock import Clock
from tests.rooms.base import ALICE, RoomsTestCase, together

BOB = "@bob:test"


class FollowerTests(RoomsTestCase):
    async def follow(self, user_id: str = ALICE) -> Follower:
        user_nid = await self.server.stores.names.nid(user_id)
        assert user_nid is not None
        return await self.server.streams.followers.follow(user_id, user_nid)

    async def test_the_rooms_of_a_user_are_known_and_kept_up_to_date(self) -> None:
        room = await self.create_room()
        await self.change_membership(room.room_id, BOB, "join")
        follower = await self.follow(BOB)
        self.assertEqual(follower.rooms, {room.nid})
        other = await self.create_room("11")
        await self.change_membership(other.room_id, BOB, "join")
        self.assertEqual(follower.rooms, {room.nid, other.nid})
        await self.change_membership(room.room_id, BOB, "leave")
        self.assertEqual(follower.rooms, {other.nid})

    async def test_only_what_moved_is_looked_at(self) -> None:
        rooms = [await self.create_room(version) for version in ("10", "11", "12")]
        follower = await self.follow()
        before = self.database.position
        self.assertFalse(follower.has_news_since(before))
        first = await self.say(rooms[2].room_id, "one")
        await self.say(rooms[0].room_id, "two")
        self.assertEqual(follower.rooms_touched_since(before), [rooms[0].nid, rooms[2].nid])
        self.assertEqual(follower.rooms_touched_since(first.nid), [rooms[0].nid])

    async def test_what_one_device_is_told_wakes_no_other(self) -> None:
        await self.create_room()
        follower, followers = await self.follow(), self.server.streams.followers
        waiters = {device_nid: follower.wait(device_nid) for device_nid in (0, 1, 2)}
        followers.device_moved(follower.user_nid, 1)
        followers.wake()
        self.assertEqual([nid for nid, one in waiters.items() if one.called], [1])
        followers.user_moved(follower.user_nid, 1)
        followers.wake()
        self.assertEqual([nid for nid, one in waiters.items() if one.called], [0, 1, 2])

    async def test_who_waits_is_woken_once(self) -> None:
        room = await self.create_room()
        follower = await self.follow()
        woken = follower.wait()
        cancelled = follower.wait()
        cancelled.addErrback(lambda _: None)
        cancelled.cancel()
        await together(self.say(room.room_id, "one"), self.say(room.room_id, "two"))
        await woken
        self.assertFalse(follower.is_waiting)

    async def test_who_is_not_in_the_room_sleeps_on(self) -> None:
        room = await self.create_room()
        other = await self.create_room("11")
        await self.change_membership(other.room_id, BOB, "join")
        waiting = (await self.follow(BOB)).wait()
        await self.say(room.room_id, "not for you")
        self.assertFalse(waiting.called)
        await self.say(other.room_id, "for you")
        self.assertTrue(waiting.called)

    async def test_two_who_begin_to_follow_share_one_follower(self) -> None:
        room = await self.create_room()
        one, two = await together(self.follow(), self.follow())
        self.assertIs(one, two)
        self.assertEqual(one.rooms, {room.nid})

    async def test_one_who_goes_away_while_beginning_takes_nobody_along(self) -> None:
        room = await self.create_room()
        await self.server.stores.names.nid(ALICE)
        one = Deferred.fromCoroutine(self.follow())
        two = Deferred.fromCoroutine(self.follow())
        one.addErrback(lambda failure: failure.trap(CancelledError))
        one.cancel()
        self.assertEqual((await two).rooms, {room.nid})

    async def test_one_whose_rooms_are_being_read_is_not_idle(self) -> None:
        await self.create_room()
        beginning = Deferred.fromCoroutine(self.follow())
        self.server.streams.followers.drop_idle()
        follower = await beginning
        self.assertIs(self.server.streams.followers.get(follower.user_nid), follower)

    async def test_a_membership_that_changes_meanwhile_is_not_missed(self) -> None:
        room = await self.create_room()
        await self.change_membership(room.room_id, BOB, "join")
        _, follower = await together(
            self.change_membership(room.room_id, BOB, "leave"), self.follow(BOB)
        )
        self.assertEqual(follower.rooms, set())

    async def test_who_is_idle_is_dropped(self) -> None:
        time = FakeTime()
        clock = Clock(time, real=False)
        await self.create_room()
        user_nid = await self.server.stores.names.nid(ALICE)
        assert user_nid is not None
        followers = Followers(self.server.stores.members, clock, position=lambda: 0)
        follower = await followers.follow(ALICE, user_nid)
        waiting = follower.wait()
        time.advance(IDLE_MS / 1000 + 1)
        followers.drop_idle()
        self.assertIs(followers.get(user_nid), follower, "it waits")
        follower.wake()
        self.assertTrue(waiting.called)
        followers.drop_idle()
        self.assertIsNone(followers.get(user_nid))
