-- Messages to devices (client-server API, "Send-to-Device messaging"), each until its device has
-- confirmed it. What one request sends has one position; a device gets one message of a request. It
-- is written in one place of the table: with the rows of each device side by side (WITHOUT ROWID),
-- a request to twenty devices would write twice as much.
CREATE TABLE inbox (
    device_nid BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    event BYTEA NOT NULL,          -- JSON, as the device's client gets it
    PRIMARY KEY (device_nid, stream)
);

-- Which requests and EDUs have delivered their messages: who repeats one delivers none. They are
-- forgotten when nobody will repeat them any more.
CREATE TABLE message_ids (
    source TEXT NOT NULL,          -- "device 5": a device_nid, or minus a token_nid; or a server
    message_id TEXT NOT NULL,      -- the transaction id of the request, or the EDU's
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (source, message_id)
) WITHOUT ROWID;
-- Serves forgetting them.
CREATE INDEX message_ids_by_time ON message_ids (seen_ms);
