-- EDUs that other servers must not miss, each until its server has it. What they may miss (typing,
-- receipts, presence) waits in memory.
CREATE TABLE outbox (
    server_nid BIGINT NOT NULL,    -- the server's name, in names
    stream BIGINT NOT NULL,
    edu BYTEA NOT NULL,            -- canonical JSON, with the type
    PRIMARY KEY (server_nid, stream)
);
