-- Serves finding the event nearest to a time, in both directions.
CREATE INDEX events_by_time ON events (room_nid, origin_server_ts, pos) WHERE pos IS NOT NULL;

-- What users report, for the server's administrators ---------------------------------------

CREATE TABLE event_reports (
    report_id SERIAL_KEY,
    received_ms BIGINT NOT NULL,
    reporter_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    reason TEXT,                   -- NULL: none was given
    score BIGINT                   -- of older clients: -100 (most offensive) … 0; NULL: none
);

CREATE TABLE room_reports (
    report_id SERIAL_KEY,
    received_ms BIGINT NOT NULL,
    reporter_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE user_reports (
    report_id SERIAL_KEY,
    received_ms BIGINT NOT NULL,
    reporter_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,      -- who is reported
    reason TEXT NOT NULL
);

-- Tokens with which users prove to other services who they are, as SHA-256 ------------------

CREATE TABLE openid_tokens (
    token_hash BYTEA PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
) WITHOUT ROWID;
-- Serves closing accounts.
CREATE INDEX openid_tokens_by_user ON openid_tokens (user_nid);
-- Serves forgetting expired ones.
CREATE INDEX openid_tokens_by_expiry ON openid_tokens (expires_ms);

-- Events that are to be sent later (MSC4140) -------------------------------------------------

CREATE TABLE delayed_events (
    delay_id TEXT PRIMARY KEY,
    user_nid BIGINT NOT NULL,
    device_nid BIGINT NOT NULL,    -- the scope of transaction ids, as in events
    txn_id TEXT,                   -- of the request; NULL: it had none
    room_nid BIGINT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,                -- NULL: no state event
    content BYTEA NOT NULL,        -- JSON
    delay_ms BIGINT NOT NULL,
    scheduled_ms BIGINT NOT NULL,  -- when it was scheduled, or restarted
    send_ms BIGINT NOT NULL,       -- when to send it
    sending SMALLINT NOT NULL DEFAULT 0,  -- somebody is about to
    finalised_ms BIGINT,           -- NULL: still scheduled
    event_id TEXT,                 -- of the event that was sent
    error TEXT                     -- JSON: why it was not sent; NULL, without event_id: cancelled
);
-- Serves sending.
CREATE INDEX delayed_events_due ON delayed_events (send_ms) WHERE finalised_ms IS NULL;
-- Serves releasing claims that nobody acts on.
CREATE INDEX delayed_events_sending ON delayed_events (delay_id) WHERE sending = 1;
-- Serves lists and bounds of one user's.
CREATE INDEX delayed_events_by_user ON delayed_events (user_nid, finalised_ms, send_ms);
-- Serves idempotent scheduling.
CREATE UNIQUE INDEX delayed_events_by_txn ON delayed_events (device_nid, room_nid, txn_id)
    WHERE txn_id IS NOT NULL;
-- Serves forgetting.
CREATE INDEX delayed_events_finalised ON delayed_events (finalised_ms)
    WHERE finalised_ms IS NOT NULL;

-- Jobs that delete expired messages ----------------------------------------------------------

CREATE TABLE purge_jobs (
    name TEXT PRIMARY KEY,         -- the lifetimes that it looks after
    started_ms BIGINT NOT NULL,    -- when its newest run began
    room_nid BIGINT                -- rooms up to this one are done; NULL: all are
);
