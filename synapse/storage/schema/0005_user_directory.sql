INSERT INTO stream_readers (name, position) VALUES ('user_directory', 0);
-- Takes up the users who were here before the directory.
INSERT INTO background_updates (name) SELECT 'user_directory' WHERE EXISTS (SELECT 1 FROM users);

-- Users of whom the directory has to learn: new ones, those with a new name, and users of other
-- servers whose names have become public, or no longer are.
CREATE TABLE directory_changes (
    user_nid BIGINT PRIMARY KEY,
    stream BIGINT NOT NULL
);
CREATE INDEX directory_changes_by_stream ON directory_changes (stream);

-- Whom the directory knows, and what it shows of them to all who find them.
CREATE TABLE directory_users (
    user_nid BIGINT PRIMARY KEY,
    is_local SMALLINT NOT NULL,
    displayname TEXT,
    avatar_url TEXT
);

-- Words (synapse.util.words) of display names and user ids, in UTF-8, so that both engines order
-- them by their bytes. The server's name is one word that begins with a colon.
CREATE TABLE directory_words (
    user_nid BIGINT NOT NULL,
    word BYTEA NOT NULL,
    PRIMARY KEY (user_nid, word)
) WITHOUT ROWID;
-- Serves searching by how a word begins.
CREATE INDEX directory_words_by_word ON directory_words (word, user_nid);

-- Rooms that everybody may join or read: everybody may know who is in them.
CREATE TABLE open_rooms (
    room_nid BIGINT PRIMARY KEY
);
