-- Which event says that it relates to which (`m.relates_to`), for events with a place in the
-- timeline that were not redacted. The parent may be an event that we don't have.

CREATE TABLE relations (
    event_nid BIGINT PRIMARY KEY,  -- the child
    room_nid BIGINT NOT NULL,
    pos BIGINT NOT NULL,           -- of the child, as in events
    parent_id TEXT NOT NULL,       -- event id
    rel_type TEXT NOT NULL,
    type_nid BIGINT NOT NULL,
    sender_nid BIGINT NOT NULL,
    -- Annotations: SHA-256 of their `key`, which may be long.
    key_hash BYTEA,
    -- What may replace its parent's content: its origin_server_ts. NULL: not an edit.
    edit_ts BIGINT
);
-- Serves the children of an event.
CREATE INDEX relations_by_parent ON relations (parent_id, room_nid, pos);
-- Serves those of one kind: threads, their newest event, their length.
CREATE INDEX relations_by_type ON relations (parent_id, room_nid, rel_type, pos);
-- Serves duplicate annotations, and whether a user takes part in a thread.
CREATE INDEX relations_by_sender ON relations (parent_id, room_nid, rel_type, sender_nid, type_nid);
-- Serves the latest edit.
CREATE INDEX relations_edits ON relations (parent_id, room_nid, sender_nid, type_nid, edit_ts)
    WHERE edit_ts IS NOT NULL;
-- Serves the threads of a room, by their newest events.
CREATE INDEX relations_threads ON relations (room_nid, pos, parent_id)
    WHERE rel_type = 'm.thread';

-- Events of before this table.
INSERT INTO background_updates (name) SELECT 'relations' WHERE EXISTS (SELECT 1 FROM events);
