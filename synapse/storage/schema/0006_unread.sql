-- Unread counts: differences of running numbers. An event is loud if it notifies those who keep the
-- predefined push rules, and a shout if it is highlighted for them. What is older than these columns
-- has no number, and so counts as read.

ALTER TABLE rooms ADD COLUMN loud BIGINT NOT NULL DEFAULT 0;     -- how many outside threads
ALTER TABLE rooms ADD COLUMN shouts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN loud BIGINT NOT NULL DEFAULT 0;    -- the room's, after the event
ALTER TABLE events ADD COLUMN shouts BIGINT NOT NULL DEFAULT 0;

-- How far a user has read, by receipts and by sending, and the room's numbers there.
CREATE TABLE read_points (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    thread_id TEXT NOT NULL,       -- "": everything; "main"; or a thread's root
    event_nid BIGINT NOT NULL,
    loud BIGINT NOT NULL,
    shouts BIGINT NOT NULL,
    PRIMARY KEY (user_nid, room_nid, thread_id)
) WITHOUT ROWID;

-- Where a listener's counts differ from the running numbers by an event. A listener is 0: all who
-- hear ordinary messages, of which only those in threads are here; a user_nid: that user; or less
-- than 0: all who share a rule set (synapse.push.evaluation).
CREATE TABLE marks (
    room_nid BIGINT NOT NULL,
    listener BIGINT NOT NULL,
    event_nid BIGINT NOT NULL,
    thread_id TEXT NOT NULL,       -- "main", or the thread's root
    sender_nid BIGINT NOT NULL,
    notify SMALLINT NOT NULL,      -- 1, 0, -1
    highlight SMALLINT NOT NULL,
    PRIMARY KEY (room_nid, listener, event_nid)
) WITHOUT ROWID;

-- The rule sets that a user had before: a change of push rules leaves older counts as they are.
CREATE TABLE past_listeners (
    user_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    until_nid BIGINT NOT NULL,     -- the change's position in the stream
    listener BIGINT NOT NULL,      -- as in marks; 0: the predefined rules
    quiet SMALLINT NOT NULL,       -- ordinary messages passed unnoticed
    loud BIGINT NOT NULL,          -- the room's numbers at the change
    shouts BIGINT NOT NULL,
    PRIMARY KEY (user_nid, room_nid, until_nid)
) WITHOUT ROWID;
