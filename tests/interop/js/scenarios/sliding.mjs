// A client that knows only sliding sync.

import assert from "node:assert/strict";

import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

import { bodies, roomWith, until } from "../people.mjs";

export default async function (person) {
    const alice = await person("alice");
    const roomIds = [];
    for (let number = 0; number < 6; number++) {
        roomIds.push(await roomWith([alice], { name: `Room ${number}` }));
    }
    await alice.sendTextMessage(roomIds[1], "the newest");

    const required_state = [
        ["m.room.join_rules", ""],
        ["m.room.member", "$ME"],
        ["m.room.create", ""],
    ];
    const subscription = { timeline_limit: 20, required_state };
    const list = { ranges: [[0, 2]], timeline_limit: 5, required_state, filters: {} };
    const bob = await person("bob", {
        slidingSync: (client) =>
            new SlidingSync(client.baseUrl, new Map([["all", list]]), subscription, client, 10_000),
    });
    for (const roomId of roomIds) await bob.joinRoom(roomId);
    const sliding = bob.sliding;
    await until("the count", () => sliding.getListData("all")?.joinedCount === roomIds.length);
    await until("the newest rooms", () => bob.getRoom(roomIds[5])?.name === "Room 5");

    await alice.sendTextMessage(roomIds[5], "hello");
    await until("the message", () => bodies(bob, roomIds[5]).includes("hello"));
    sliding.modifyRoomSubscriptions(new Set([roomIds[1]]));
    await until("a longer timeline", () => bodies(bob, roomIds[1]).includes("the newest"));
    assert.equal(bob.getRoom(roomIds[1]).getJoinRule(), "public");

    await alice.kick(roomIds[5], bob.getUserId(), "enough");
    await until("the kick", () => bob.getRoom(roomIds[5])?.getMyMembership() === "leave");
}
