-- Which relatives of an event were to be redacted with it: those that come later are, too.
CREATE TABLE related_redactions (
    target_id TEXT NOT NULL,       -- event id
    user_nid BIGINT NOT NULL,      -- who wanted it
    rel_types TEXT NOT NULL,       -- JSON array; "*" stands for all
    content BYTEA NOT NULL,        -- JSON, of the redactions
    PRIMARY KEY (target_id, user_nid)
) WITHOUT ROWID;
