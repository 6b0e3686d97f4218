// A space with rooms in it; one of them is upgraded; people look before they join, and knock.

import assert from "node:assert/strict";

import { roomOf, roomWith, until } from "../people.mjs";

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    const space = await roomWith([alice], {
        name: "The Space",
        creation_content: { type: "m.space" },
    });
    const lobby = await roomWith([alice, bob], { name: "Lobby", room_version: "10" });
    const cellar = await roomWith([alice], { name: "Cellar", preset: "private_chat" });
    for (const child of [lobby, cellar]) {
        await alice.sendStateEvent(space, "m.space.child", { via: ["test"], suggested: true }, child);
    }
    await bob.joinRoom(space);
    const names = async (client) =>
        (await client.getRoomHierarchy(space)).rooms.map((room) => room.name);
    assert.deepEqual((await names(alice)).sort(), ["Cellar", "Lobby", "The Space"]);
    assert.deepEqual((await names(bob)).sort(), ["Lobby", "The Space"]);

    const { replacement_room: upgraded } = await alice.upgradeRoom(lobby, "12");
    const old = bob.getRoom(lobby);
    await until("the tombstone", () =>
        old.currentState.getStateEvents("m.room.tombstone", "")?.getContent().replacement_room ===
        upgraded,
    );
    await bob.joinRoom(upgraded);
    const room = await roomOf(bob, upgraded);
    assert.equal(room.name, "Lobby");
    assert.equal(room.findPredecessor().roomId, lobby);
    assert.equal(room.getVersion(), "12");
    await assert.rejects(bob.sendTextMessage(lobby, "too late"), { errcode: "M_FORBIDDEN" });

    const summary = await bob.getRoomSummary(upgraded);
    assert.equal(summary.name, "Lobby");
    assert.equal(summary.num_joined_members, 2);

    await alice.sendStateEvent(cellar, "m.room.join_rules", { join_rule: "knock" });
    await bob.knockRoom(cellar, { reason: "Let me in" });
    await until("the knock", () => alice.getRoom(cellar).getMember(bob.getUserId())?.membership === "knock");
    await alice.invite(cellar, bob.getUserId());
    await until("the invite", () => bob.getRoom(cellar)?.getMyMembership() === "invite");
    await bob.joinRoom(cellar);
    await roomOf(bob, cellar);
}
