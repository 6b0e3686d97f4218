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
