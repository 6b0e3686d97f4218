// Someone joins late: the room's state is older than the timeline that the client is told.

import assert from "node:assert/strict";

import { roomOf, until } from "../people.mjs";

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    const { room_id: roomId } = await alice.createRoom({
        name: "The Room",
        preset: "public_chat",
        topic: "Old news",
    });
    for (let number = 0; number < 20; number++) {
        await alice.sendTextMessage(roomId, `${number}`);
    }
    await bob.joinRoom(roomId);
    const room = await roomOf(bob, roomId);
    const topic = () => room.currentState.getStateEvents("m.room.topic", "")?.getContent().topic;
    await until("the old topic", () => topic() === "Old news");
    assert.equal(room.name, "The Room");
    assert.equal(room.getJoinRule(), "public");
    assert.equal(room.currentState.getStateEvents("m.room.create", "").getSender(), alice.getUserId());
    assert.ok(!room.currentState.maySendStateEvent("m.room.topic", bob.getUserId()));

    await alice.setRoomTopic(roomId, "News");
    await until("the new topic", () => topic() === "News");
}
