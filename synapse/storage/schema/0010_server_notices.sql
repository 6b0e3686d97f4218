-- The room in which a user of ours finds the server's notices: one for each user who sends them,
-- since another one (`server_notices.system_mxid_localpart`) is not in the room.
CREATE TABLE server_notices_rooms (
    user_nid BIGINT NOT NULL,
    sender_nid BIGINT NOT NULL,
    room_nid BIGINT NOT NULL,
    PRIMARY KEY (user_nid, sender_nid)
) WITHOUT ROWID;
