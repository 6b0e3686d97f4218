// Users with a running matrix-js-sdk client each, and how a scenario waits for what they see.

import assert from "node:assert/strict";

import { createClient, MemoryStore } from "matrix-js-sdk";

const PASSWORD = "correct horse";
const PATIENCE_MS = 30_000;
const clients = [];

/** What makes users at a server: `const person = at(url); const alice = await person("alice")`. */
export function at(baseUrl) {
    return async function person(name, options = {}) {
        const registered = await createClient({ baseUrl }).registerRequest({
            username: name,
            password: PASSWORD,
            auth: { type: "m.login.dummy" },
        });
        return await start(baseUrl, registered, options);
    };
}

/** A client of its own for the session that a registration or log-in answered.
    `options.slidingSync` makes its `SlidingSync`, if it is to use one. */
export async function start(baseUrl, session, options = {}) {
    const client = createClient({
        baseUrl,
        accessToken: session.access_token,
        userId: session.user_id,
        deviceId: session.device_id,
        store: new MemoryStore(),
        timelineSupport: true,
    });
    clients.push(client);
    client.sliding = options.slidingSync?.(client);
    await client.startClient({
        initialSyncLimit: 8,
        lazyLoadMembers: true,
        threadSupport: true,
        slidingSync: client.sliding,
    });
    await until(`the first sync of ${session.user_id}`, () => client.isInitialSyncComplete());
    return client;
}

/** Stop all clients. */
export async function leave() {
    for (const client of clients) client.stopClient();
}

/** Wait for `look` to return something true, and return that. */
export async function until(what, look) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
        const seen = await look();
        if (seen) return seen;
        assert.ok(Date.now() < end, `Waited in vain for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

/** Wait until a client knows a room as a member of it. */
export async function roomOf(client, roomId) {
    return await until(`${client.getUserId()} to be in ${roomId}`, () => {
        const room = client.getRoom(roomId);
        return room?.getMyMembership() === "join" && room;
    });
}

/** A room that these clients are in; the first one made it. */
export async function roomWith([creator, ...others], options = {}) {
    const { room_id: roomId } = await creator.createRoom({
        name: "The Room",
        preset: "public_chat",
        ...options,
    });
    for (const client of others) await client.joinRoom(roomId);
    for (const client of [creator, ...others]) await roomOf(client, roomId);
    return roomId;
}

/** The bodies of the messages in a client's live timeline of a room. */
export function bodies(client, roomId) {
    const events = client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];
    return events
        .filter((event) => event.getType() === "m.room.message")
        .map((event) => event.getContent().body);
}

/** Wait until a client has an event, and return it. */
export async function eventOf(client, roomId, eventId) {
    return await until(`${client.getUserId()} to see ${eventId}`, () =>
        client.getRoom(roomId)?.findEventById(eventId),
    );
}
