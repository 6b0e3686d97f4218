-- Integers inside, text at the border: `names` interns user ids, event types, state keys.
-- Times are milliseconds since the epoch; booleans are 0 and 1. A `stream` column holds the
-- position at which its row last changed, from the one counter in `stream`.

CREATE TABLE stream (
    pos BIGINT NOT NULL  -- the last position given out; the one row of this table
);
INSERT INTO stream (pos) VALUES (0);

CREATE TABLE names (
    nid SERIAL_KEY,
    name TEXT NOT NULL UNIQUE
);

-- Accounts ---------------------------------------------------------------------------------

CREATE TABLE users (
    user_nid BIGINT PRIMARY KEY,   -- in names
    name TEXT NOT NULL UNIQUE,     -- the full user id; administrators reset passwords by it
    password_hash TEXT,            -- bcrypt; NULL: no password login
    created_ms BIGINT NOT NULL,
    admin SMALLINT NOT NULL DEFAULT 0,
    guest SMALLINT NOT NULL DEFAULT 0,
    deactivated SMALLINT NOT NULL DEFAULT 0,
    erased SMALLINT NOT NULL DEFAULT 0,  -- asked at deactivation that others forget its messages
    locked SMALLINT NOT NULL DEFAULT 0,
    suspended SMALLINT NOT NULL DEFAULT 0,
    shadow_banned SMALLINT NOT NULL DEFAULT 0,
    user_type TEXT,                -- NULL: an ordinary user
    appservice_id TEXT             -- the application service that made it
);

CREATE TABLE profiles (
    user_nid BIGINT NOT NULL,
    field TEXT NOT NULL,           -- "displayname", "avatar_url", …
    value TEXT NOT NULL,           -- JSON
    PRIMARY KEY (user_nid, field)
) WITHOUT ROWID;

-- Users whose rooms still have to be told of their new profile.
CREATE TABLE unspread_profiles (
    user_nid BIGINT PRIMARY KEY
);

CREATE TABLE devices (
    device_nid SERIAL_KEY,
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_ms BIGINT NOT NULL,
    last_seen_ms BIGINT,
    last_seen_ip TEXT,
    last_seen_agent TEXT,
    UNIQUE (user_nid, device_id)
);

-- Tokens are kept as SHA-256, so that a stolen database opens no session.
CREATE TABLE access_tokens (
    token_hash BYTEA PRIMARY KEY,
    token_nid BIGINT NOT NULL,     -- names the token in logs; from the stream counter
    user_nid BIGINT NOT NULL,
    device_nid BIGINT,             -- NULL: a token that belongs to no device
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,             -- NULL: never
    validated_ms BIGINT NOT NULL,  -- when its user last proved who they are (log-in, UIA)
    used SMALLINT NOT NULL,        -- 0: its first use ends the refresh token it came from
    refresh_hash BYTEA             -- the refresh token that was given out with it
) WITHOUT ROWID;
CREATE INDEX access_tokens_by_user ON access_tokens (user_nid, device_nid);

CREATE TABLE refresh_tokens (
    token_hash BYTEA PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    device_nid BIGINT NOT NULL,
    expires_ms BIGINT,             -- of the token
    session_expires_ms BIGINT,     -- of the whole login, however often it is refreshed
    next_hash BYTEA                -- the refresh token that this one was exchanged for
) WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_nid, device_nid);

-- A session has a row from its first completed stage on.
CREATE TABLE ui_auth_sessions (
    session_id TEXT PRIMARY KEY,
    created_ms BIGINT NOT NULL,
    operation TEXT NOT NULL,       -- method, path and user that the session is for
    request_hash BYTEA NOT NULL,   -- SHA-256 of the body without `auth`, as canonical JSON
    completed TEXT NOT NULL,       -- JSON: {stage: result}
    outcome TEXT                   -- what a retried request must find: the user it registered
);
-- Serves forgetting old sessions.
CREATE INDEX ui_auth_sessions_by_age ON ui_auth_sessions (created_ms);

CREATE TABLE filters (
    user_nid BIGINT NOT NULL,
    filter_id BIGINT NOT NULL,     -- 1, 2, … for each user
    json BYTEA NOT NULL,           -- canonical JSON
    PRIMARY KEY (user_nid, filter_id)
) WITHOUT ROWID;

CREATE TABLE account_data (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,      -- 0: global
    type TEXT NOT NULL,
    content BYTEA NOT NULL,        -- JSON
    stream BIGINT NOT NULL,
    PRIMARY KEY (user_nid, room_nid, type)
) WITHOUT ROWID;
-- Serves incremental sync.
CREATE INDEX account_data_by_stream ON account_data (user_nid, stream);

CREATE TABLE push_rules (
    user_nid BIGINT PRIMARY KEY,
    json BYTEA NOT NULL,           -- what differs from the predefined ones: see synapse.push.rules
    stream BIGINT NOT NULL
);

-- Rooms ------------------------------------------------------------------------------------

CREATE TABLE rooms (
    room_nid SERIAL_KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    -- A fingerprint of the latest event's id (synapse.rooms.room): its writer's batch says `WHERE
    -- head = what I know`, which is lock and version check in one. 0: the room has no event yet.
    head BIGINT NOT NULL,
    pos BIGINT NOT NULL,           -- of the latest event
    first_pos BIGINT NOT NULL,     -- of the earliest
    depth BIGINT NOT NULL,         -- the greatest
    last_nid BIGINT NOT NULL,      -- the latest live event
    tips TEXT NOT NULL,            -- forward extremities: JSON array of event_nid
    state_nid BIGINT NOT NULL,     -- the current state, in states
    joined BIGINT NOT NULL,        -- how many members
    invited BIGINT NOT NULL,
    local_joined BIGINT NOT NULL,  -- how many of ours
    published SMALLINT NOT NULL DEFAULT 0,  -- in the room directory
    created_ms BIGINT NOT NULL
);

-- Serves the room directory.
CREATE INDEX rooms_published ON rooms (joined, room_nid) WHERE published = 1;

CREATE TABLE events (
    event_nid BIGINT PRIMARY KEY,  -- position in the stream, in commit order
    event_id TEXT NOT NULL UNIQUE,
    room_nid BIGINT NOT NULL,
    pos BIGINT,                    -- order in the room; NULL: no place in the timeline
    type_nid BIGINT NOT NULL,
    sender_nid BIGINT NOT NULL,
    slot_nid BIGINT,               -- state events: the slot they fill
    depth BIGINT NOT NULL,
    origin_server_ts BIGINT NOT NULL,
    flags INTEGER NOT NULL,        -- see synapse.storage.stores.events
    state_nid BIGINT NOT NULL,     -- snapshot after the event; 0: unknown
    replaces BIGINT,               -- the event that filled the slot before
    redacted_by BIGINT,            -- event_nid of the redaction
    device_nid BIGINT,             -- the device that sent it, while its txn_id is remembered
    txn_id TEXT,
    auth BYTEA,                    -- state events: packed event_nids of their auth events
    json BYTEA NOT NULL            -- canonical bytes as signed (redacted ones: as redacted)
);
-- Serves timelines, in both directions.
CREATE UNIQUE INDEX events_by_room ON events (room_nid, pos);
-- Serves idempotent sending, also after a crash.
CREATE UNIQUE INDEX events_by_txn ON events (device_nid, room_nid, txn_id)
    WHERE txn_id IS NOT NULL;

-- What a redaction took away, until `redaction_retention_period` ends.
CREATE TABLE redacted_events (
    event_nid BIGINT PRIMARY KEY,
    redacted_ms BIGINT NOT NULL,
    json BYTEA NOT NULL
);
CREATE INDEX redacted_events_by_time ON redacted_events (redacted_ms);

CREATE TABLE slots (
    slot_nid SERIAL_KEY,
    type_nid BIGINT NOT NULL,
    key_nid BIGINT NOT NULL,
    UNIQUE (type_nid, key_nid)
);

-- Snapshots of state: each one a packed delta against another (see synapse.state.packing).
CREATE TABLE states (
    state_nid BIGINT PRIMARY KEY,  -- position in the stream, often of the event that made it
    room_nid BIGINT NOT NULL,
    change BIGINT NOT NULL,        -- how many changes led here
    base_nid BIGINT NOT NULL,      -- 0: the empty state
    delta BYTEA NOT NULL
);

CREATE TABLE room_state (
    room_nid BIGINT NOT NULL,
    slot_nid BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    PRIMARY KEY (room_nid, slot_nid)
) WITHOUT ROWID;

CREATE TABLE members (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    membership SMALLINT NOT NULL,  -- see synapse.storage.stores.members
    event_nid BIGINT NOT NULL,     -- the member event
    since BIGINT NOT NULL,         -- the event_nid at which this membership began
    forgotten SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_nid, room_nid)
) WITHOUT ROWID;
-- Serves member lists, without reading the table.
CREATE INDEX members_by_room ON members (room_nid, membership, event_nid);

CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY,
    room_nid BIGINT NOT NULL,
    creator_nid BIGINT NOT NULL
);
CREATE INDEX room_aliases_by_room ON room_aliases (room_nid);

CREATE TABLE receipts (
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    receipt_type TEXT NOT NULL,
    thread_id TEXT NOT NULL,       -- "": unthreaded
    event_nid BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    ts_ms BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    PRIMARY KEY (room_nid, user_nid, receipt_type, thread_id)
) WITHOUT ROWID;
-- Serves incremental sync.
CREATE INDEX receipts_by_stream ON receipts (room_nid, stream);
