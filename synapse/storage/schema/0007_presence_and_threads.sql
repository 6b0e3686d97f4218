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

-- MSC4306: which threads a user follows, or has followed.
CREATE TABLE thread_subscriptions (
    user_nid BIGINT NOT NULL,
    root_nid BIGINT NOT NULL,      -- event_nid of the thread's root
    room_nid BIGINT NOT NULL,
    subscribed SMALLINT NOT NULL,  -- 0: no longer
    automatic SMALLINT NOT NULL,   -- 1: made by a client on its own
    -- Position of the last unsubscription: what came before it subscribes nobody again. 0: none.
    unsubscribed BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    PRIMARY KEY (user_nid, root_nid)
) WITHOUT ROWID;
-- Serves lists of changes.
CREATE INDEX thread_subscriptions_by_stream ON thread_subscriptions (user_nid, stream);
