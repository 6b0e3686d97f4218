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
-- Serves forgetting expired ones.
CREATE INDEX openid_tokens_by_expiry ON openid_tokens (expires_ms);
