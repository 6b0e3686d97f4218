// A newcomer scrolls back to the beginning of a room, and jumps into the middle of it.

import assert from "node:assert/strict";

import { bodies, roomOf, roomWith } from "../people.mjs";

const MESSAGES = 70;

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    const roomId = await roomWith([alice]);
    const sent = [];
    for (let number = 0; number < MESSAGES; number++) {
        sent.push(await alice.sendTextMessage(roomId, `message ${number}`));
    }
    await bob.joinRoom(roomId);
    const room = await roomOf(bob, roomId);
    assert.ok(bodies(bob, roomId).length < MESSAGES);
    while (room.getLiveTimeline().getPaginationToken("b") !== null) {
        await bob.scrollback(room, 15);
    }
    assert.deepEqual(
        bodies(bob, roomId),
        sent.map((_, number) => `message ${number}`),
    );
    assert.equal(room.getLiveTimeline().getEvents()[0].getType(), "m.room.create");

    const middle = sent[MESSAGES >> 1].event_id;
    const carol = await person("carol");
    await carol.joinRoom(roomId);
    const timelines = (await roomOf(carol, roomId)).getUnfilteredTimelineSet();
    const around = await carol.getEventTimeline(timelines, middle);
    assert.ok(around.getEvents().some((event) => event.getId() === middle));
    assert.ok(await carol.paginateEventTimeline(around, { backwards: true, limit: 10 }));
    assert.ok(await carol.paginateEventTimeline(around, { backwards: false, limit: 10 }));
}
