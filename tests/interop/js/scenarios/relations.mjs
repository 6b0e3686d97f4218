// Edits, reactions and threads, as the library puts them together from what the server bundles.

import assert from "node:assert/strict";

import { ThreadEvent } from "matrix-js-sdk";

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
    const reply = async (body) => {
        replies.push((await bob.sendMessage(roomId, root, text(body))).event_id);
    };
    await reply("one");
    const thread = await until("the thread", () => alice.getRoom(roomId).getThread(root));
    // While the library reads a thread that is new to it, or reads its root again, what comes by
    // /sync may end up in the wrong place or be counted wrong ("a remaining race", it says of
    // itself); so each reply waits until the one before has been taken in for good.
    await until("the thread's beginning", () => thread.initialEventsFetched);
    const takenIn = new Set();
    thread.on(ThreadEvent.NewReply, (_, event) => takenIn.add(event.getId()));
    for (const body of ["two", "three"]) {
        await reply(body);
        await until(`the reply ${body}`, () => takenIn.has(replies.at(-1)));
        assert.equal(thread.length, replies.length);
        assert.equal(thread.replyToEvent.getId(), replies.at(-1));
    }
    const { unsigned } = await alice.fetchRoomEvent(roomId, root);
    const bundle = unsigned["m.relations"]["m.thread"];
    assert.deepEqual([bundle.count, bundle.latest_event.event_id], [3, replies.at(-1)]);

    // Who comes later has it all from the server.
    const carol = await person("carol");
    await carol.joinRoom(roomId);
    const listed = await carol.createThreadListMessagesRequest(roomId, null);
    assert.deepEqual(
        listed.chunk.map(({ event_id, unsigned: { "m.relations": relations } }) => [
            event_id,
            relations["m.thread"].count,
            relations["m.thread"].latest_event.event_id,
        ]),
        [[root, 3, replies.at(-1)]],
    );
    const room = await roomOf(carol, roomId);
    // Replies that come by /sync are counted once more if the library has the thread by then.
    await eventOf(carol, roomId, replies.at(-1));
    await until("the thread's beginning", () => room.getThread(root)?.initialEventsFetched);
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
