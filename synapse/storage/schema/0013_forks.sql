-- Rooms that other servers write to as well: their events form a graph with forks. The room's own
-- order of events (`pos`) has, at each place, the state that this server then took for the room's:
-- its view. Where there are no forks, that is the state after the event.

ALTER TABLE events ADD COLUMN view_nid BIGINT;  -- the view after it, in states; NULL: state_nid

-- Slots of a view that changed to something else than an event of the timeline says: state
-- resolution gave them to another event. A few, when forks meet.
CREATE TABLE flips (
    room_nid BIGINT NOT NULL,
    stream BIGINT NOT NULL,        -- the event with which it came
    slot_nid BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,     -- what fills the slot now; 0: nothing
    PRIMARY KEY (room_nid, stream, slot_nid)
) WITHOUT ROWID;
-- Serves a user's memberships that changed so.
CREATE INDEX flips_by_slot ON flips (slot_nid, stream);
-- Serves the readers of the stream.
CREATE INDEX flips_by_stream ON flips (stream);

ALTER TABLE rooms ADD COLUMN flipped BIGINT NOT NULL DEFAULT 0;  -- when last a slot did

-- Redactions that came before what they redact.
CREATE TABLE early_redactions (
    target_id TEXT NOT NULL,       -- event id
    event_nid BIGINT NOT NULL,     -- the redaction
    PRIMARY KEY (target_id, event_nid)
) WITHOUT ROWID;

-- Events that others stand on and that we don't have: there the timeline has a gap.
CREATE TABLE gaps (
    room_nid BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    below BIGINT NOT NULL,         -- what fills it goes below this `pos`
    PRIMARY KEY (room_nid, event_id)
) WITHOUT ROWID;
-- Serves reading back.
CREATE INDEX gaps_by_place ON gaps (room_nid, below);

-- What users of ours were shown of rooms that this server is not in, when they were invited or
-- knocked.
CREATE TABLE stripped_states (
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    json BYTEA NOT NULL,           -- array of stripped state events
    PRIMARY KEY (room_nid, user_nid)
) WITHOUT ROWID;

-- Events from other servers that could not be taken up at once: they stand on what we don't have,
-- or behind others of their room.
CREATE TABLE staged_events (
    stage_nid SERIAL_KEY,          -- in the order in which they came
    room_nid BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    origin TEXT NOT NULL,          -- the server that sent it
    json BYTEA NOT NULL,           -- as it was sent
    received_ms BIGINT NOT NULL,
    tries SMALLINT NOT NULL DEFAULT 0,
    UNIQUE (room_nid, event_id)
);

-- Answers to transactions, for those who did not hear them.
CREATE TABLE received_transactions (
    origin TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    received_ms BIGINT NOT NULL,
    answer BYTEA NOT NULL,         -- JSON
    PRIMARY KEY (origin, txn_id)
) WITHOUT ROWID;
-- Serves forgetting.
CREATE INDEX received_transactions_by_age ON received_transactions (received_ms);
