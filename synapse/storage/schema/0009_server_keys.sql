-- The keys of other servers, and how far the document that named a key last vouches for it.
CREATE TABLE server_keys (
    server TEXT NOT NULL,
    key_id TEXT NOT NULL,          -- "ed25519:a_XXXX"
    public_key BYTEA NOT NULL,
    valid_until_ms BIGINT NOT NULL,  -- at most seven days after the document was fetched
    expired_ms BIGINT,             -- when the server stopped using the key; NULL: it hasn't
    fetched_ms BIGINT NOT NULL,    -- which of the server's documents that was
    PRIMARY KEY (server, key_id)
) WITHOUT ROWID;

-- Those documents, for servers that ask us as a notary.
CREATE TABLE server_key_documents (
    server TEXT NOT NULL,
    fetched_ms BIGINT NOT NULL,
    direct SMALLINT NOT NULL,      -- 1: from the server itself; 0: from a notary
    json BYTEA NOT NULL,           -- canonical, with the server's own signatures
    PRIMARY KEY (server, fetched_ms)
);
