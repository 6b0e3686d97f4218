-- Rooms of other servers that ours has entered without being told of their members, who are fetched
-- afterwards. Until then the snapshots of the room's states lack them.
CREATE TABLE partial_rooms (
    room_nid BIGINT PRIMARY KEY,
    join_nid BIGINT NOT NULL,      -- our join, before which the members stood that are fetched
    servers TEXT NOT NULL,         -- JSON array: the servers in the room, as we were told
    -- The whole state before the join, in states, once it is known; NULL: it isn't.
    whole_nid BIGINT,
    completed BIGINT NOT NULL DEFAULT 0  -- when the room became whole: a position; 0: it isn't yet
);
-- Serves clients that are shown rooms only when they are whole.
CREATE INDEX partial_rooms_by_time ON partial_rooms (completed);
