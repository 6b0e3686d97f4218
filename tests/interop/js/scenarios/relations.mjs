// Edits, reactions and threads, as the library puts them together from what the server bundles.

import assert from "node:assert/strict";

import { eventOf, roomOf, roomWith, until } from "../people.mjs";

const text = (body) => ({ msgtype: "m.text", body });

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    const roomId = await roomWith([alice, bob]);

    const { event_id: message } = await alice.sendTextMessage(roomId, "teh");
    await alice.sendMessage(roomId, {
        ...text("* the"),
        "m.new_content": text("the"),
        "m.relates_to": { rel_type: "m.replace", event_id: message },
    });
    const seen = await eventOf(bob, roomId, message);
    await until("the edit", () => seen.getContent().body === "the");

    const reaction = {
        "m.relates_to": { rel_type: "m.annotation", event_id: message, key: "👍" },
    };
    const { event_id: thumb } = await bob.sendEvent(roomId, "m.reaction", reaction);
    await assert.rejects(bob.sendEvent(roomId, "m.reaction", reaction), {
        errcode: "M_DUPLICATE_ANNOTATION",
    });
    const reactions = await alice.relations(roomId, message, "m.annotation", "m.reaction");
    assert.deepEqual(
        reactions.events.map((event) => event.getId()),
        [thumb],
    );
    await bob.redactEvent(roomId, thumb);
    const { events: none } = await alice.relations(roomId, message, "m.annotation", "m.reaction");
    assert.deepEqual(none, []);

    const { event_id: root } = await alice.sendTextMessage(roomId, "root");
    await eventOf(bob, roomId, root);
    const replies = [];
    for (const body of ["one", "two", "three"]) {
        replies.push((await bob.sendMessage(roomId, root, text(body))).event_id);
    }
    const thread = await until("the thread", () => alice.getRoom(roomId).getThread(root));
    await until("all replies", () => thread.length === replies.length);
    await until("the newest one", () => thread.replyToEvent?.getId() === replies.at(-1));

    // Who comes later has it all from the server.
    const carol = await person("carol");
    await carol.joinRoom(roomId);
    const room = await roomOf(carol, roomId);
    await room.createThreadsTimelineSets();
    await room.fetchRoomThreads();
    assert.deepEqual(
        room.getThreads().map((each) => [each.id, each.length]),
        [[root, 3]],
    );
    const edited = await carol.fetchRoomEvent(roomId, message);
    assert.equal(
        edited.unsigned["m.relations"]["m.replace"].content["m.new_content"].body,
        "the",
    );
}
