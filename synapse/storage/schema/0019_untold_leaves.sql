-- Refused invites and knocks that were taken back while no server of the room could be reached:
-- they hold here, and the others are yet to hear of them.
CREATE TABLE untold_leaves (
    room_nid BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    left_id TEXT NOT NULL,         -- event id of what was refused, or taken back
    leave_id TEXT NOT NULL,        -- event id of the leave that only this server knows
    servers TEXT NOT NULL,         -- JSON array: who may be told
    tries SMALLINT NOT NULL,
    next_ms BIGINT NOT NULL,       -- when it is tried again
    PRIMARY KEY (room_nid, user_nid)
) WITHOUT ROWID;
-- Serves finding those whose time has come.
CREATE INDEX untold_leaves_due ON untold_leaves (next_ms);
