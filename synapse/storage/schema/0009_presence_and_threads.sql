-- How users last were, for the start of the server and for who is not in memory.
CREATE TABLE presence (
    user_nid BIGINT PRIMARY KEY,
    state SMALLINT NOT NULL,       -- see synapse.api.presence
    status_msg TEXT,
    last_active_ms BIGINT NOT NULL,  -- 0: not known
    serial BIGINT NOT NULL         -- of the last change: see synapse.streams.serials
);
-- Serves the start of the server.
CREATE INDEX presence_by_serial ON presence (serial);

-- 1: the user deleted it (MSC3391); the row, with the content {}, tells their other clients so.
ALTER TABLE account_data ADD COLUMN deleted SMALLINT NOT NULL DEFAULT 0;
