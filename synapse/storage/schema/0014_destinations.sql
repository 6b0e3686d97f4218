-- Sending to other servers. Which event is for whom follows from these: nothing is written for each
-- event and server.

-- Which other servers are in a room, and which have been. No room had any before this table.
CREATE TABLE room_servers (
    server_nid BIGINT NOT NULL,    -- the server's name, in names
    room_nid BIGINT NOT NULL,
    joined BIGINT NOT NULL,        -- how many of its users are in the room
    since BIGINT NOT NULL,         -- the event with which the first of these came
    until BIGINT NOT NULL,         -- the last event by which they became more or fewer
    PRIMARY KEY (server_nid, room_nid)
) WITHOUT ROWID;

-- Serves finding whom a room's events are for.
CREATE INDEX room_servers_by_room ON room_servers (room_nid);

-- Servers that are behind, and servers that can't be reached.
CREATE TABLE destinations (
    server_nid BIGINT PRIMARY KEY,
    position BIGINT,               -- all up to here is sent; NULL: as far as `federation` below
    failing_since_ms BIGINT,       -- NULL: it can be reached, for all we know
    last_failure_ms BIGINT,
    retry_interval_ms BIGINT       -- how long after the last failure it is left alone
);

-- All up to here is sent to everybody who is not behind.
INSERT INTO stream_readers (name, position) SELECT 'federation', pos FROM stream;

-- Serves sending what was missed, in order. 128: see `OUTGOING` in synapse.storage.stores.events.
CREATE INDEX events_outgoing ON events (event_nid, room_nid) WHERE (flags & 128) = 128;
