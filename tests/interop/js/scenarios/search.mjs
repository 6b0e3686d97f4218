// Messages and people are found.

import assert from "node:assert/strict";

import { roomWith, until } from "../people.mjs";

export default async function (person) {
    const [alice, bob] = [await person("alice"), await person("bob")];
    await alice.setDisplayName("Ada Lovelace");
    const roomId = await roomWith([alice, bob]);
    const { event_id: wanted } = await alice.sendTextMessage(roomId, "The engine weaves patterns");
    await alice.sendTextMessage(roomId, "Nothing of the kind");

    const results = await until("the message to be found", async () => {
        const found = await bob.searchMessageText({ query: "patterns" });
        const { room_events: events } = found.search_categories;
        return events.results.length > 0 && events;
    });
    assert.deepEqual(
        results.results.map((each) => each.result.event_id),
        [wanted],
    );
    const around = await bob.searchRoomEvents({ term: "engine" });
    assert.equal(around.results[0].context.ourEvent.getId(), wanted);

    const people = await until("Ada to be found", async () => {
        const found = await bob.searchUserDirectory({ term: "lovel", limit: 5 });
        return found.results.length > 0 && found.results;
    });
    assert.deepEqual(
        people.map((each) => [each.user_id, each.display_name]),
        [[alice.getUserId(), "Ada Lovelace"]],
    );
}
