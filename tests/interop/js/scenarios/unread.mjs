// What is unread, what is loud, who is muted and who is ignored.

import assert from "node:assert/strict";

import { bodies, eventOf, roomWith, until } from "../people.mjs";

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    const carol = await person("carol");
    const roomId = await roomWith([alice, bob, carol]);
    const room = bob.getRoom(roomId);
    const unread = (kind) => room.getUnreadNotificationCount(kind);

    let last;
    for (const body of ["one", "two", "three"]) last = await alice.sendTextMessage(roomId, body);
    await until("three unread", () => unread("total") === 3);
    assert.equal(unread("highlight"), 0);
    await alice.sendMessage(roomId, {
        msgtype: "m.text",
        body: "Bob?",
        "m.mentions": { user_ids: [bob.getUserId()] },
    });
    await until("a highlight", () => unread("total") === 4 && unread("highlight") === 1);

    await bob.sendReadReceipt(await eventOf(bob, roomId, last.event_id));
    await until("the rest", () => unread("total") === 1 && unread("highlight") === 1);
    await bob.sendTextMessage(roomId, "Yes?");
    await until("nothing", () => unread("total") === 0 && unread("highlight") === 0);

    await bob.setRoomMutePushRule("global", roomId, true);
    await alice.sendTextMessage(roomId, "never mind");
    await until("the message", () => bodies(bob, roomId).includes("never mind"));
    assert.equal(unread("total"), 0);

    await bob.setIgnoredUsers([carol.getUserId()]);
    await until("the list", () => bob.isUserIgnored(carol.getUserId()));
    await carol.sendTextMessage(roomId, "can you hear me?");
    await alice.sendTextMessage(roomId, "did Carol say something?");
    await until("Alice", () => bodies(bob, roomId).includes("did Carol say something?"));
    assert.ok(!bodies(bob, roomId).includes("can you hear me?"));
}
