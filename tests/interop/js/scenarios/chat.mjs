// Two people invite, join, chat, name themselves, read, type and redact.

import assert from "node:assert/strict";

import { bodies, eventOf, roomOf, until } from "../people.mjs";

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    await alice.setDisplayName("Alice");
    const { room_id: roomId } = await alice.createRoom({
        name: "The Room",
        preset: "private_chat",
        invite: [bob.getUserId()],
        is_direct: true,
    });
    const invited = await until("the invite", () => bob.getRoom(roomId));
    assert.equal(invited.getMyMembership(), "invite");
    await until("the name in the invite", () => invited.name === "The Room");
    assert.equal(invited.getDMInviter(), alice.getUserId());

    await bob.joinRoom(roomId);
    const room = await roomOf(bob, roomId);
    const expected = [];
    for (let number = 0; number < 5; number++) {
        for (const client of [alice, bob]) {
            expected.push(`${client.getUserId()} ${number}`);
            await client.sendTextMessage(roomId, expected.at(-1));
        }
    }
    for (const client of [alice, bob]) {
        await until("all messages, once", () => bodies(client, roomId).length >= expected.length);
        // A client shows what it sends at once, maybe before what was sent earlier by others.
        for (const sender of [alice, bob]) {
            const ofSender = (text) => text.startsWith(sender.getUserId());
            assert.deepEqual(bodies(client, roomId).filter(ofSender), expected.filter(ofSender));
        }
        assert.equal(bodies(client, roomId).length, expected.length);
    }
    assert.equal(room.getMember(alice.getUserId()).name, "Alice");

    const { event_id: eventId } = await alice.sendTextMessage(roomId, "read me");
    const event = await eventOf(bob, roomId, eventId);
    await bob.sendReadReceipt(event);
    await until("Bob's receipt", () =>
        alice.getRoom(roomId).hasUserReadEvent(bob.getUserId(), eventId),
    );

    await bob.sendTyping(roomId, true, 20_000);
    await until("Bob's typing", () => alice.getRoom(roomId).getMember(bob.getUserId()).typing);
    await bob.sendTyping(roomId, false, 0);
    await until("the end of it", () => !alice.getRoom(roomId).getMember(bob.getUserId()).typing);

    await alice.redactEvent(roomId, eventId, undefined, { reason: "a slip" });
    await until("the redaction", () => event.isRedacted());
    assert.equal(event.getUnsigned().redacted_because.content.reason, "a slip");

    await bob.leave(roomId);
    await until("Bob's leaving", () => alice.getRoom(roomId).getJoinedMemberCount() === 1);
}
