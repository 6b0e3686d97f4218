-- Who follows the stream by the way, and how far each has read: see synapse.storage.stream_readers.
CREATE TABLE stream_readers (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO stream_readers (name, position) VALUES ('search', 0);

-- Which words (synapse.util.words) stand in which message, room name or topic. The text itself stays
-- in `events`. `room` is # and the room_nid, so that a search reads about the reader's rooms only.
SQLITE: CREATE VIRTUAL TABLE search_index USING fts5 (
    words, room, content = '', tokenize = "ascii tokenchars '#'"
);

-- The room is one of the words.
POSTGRES: CREATE TABLE search_index (
    event_nid BIGINT PRIMARY KEY,
    words TSVECTOR NOT NULL
);
POSTGRES: CREATE INDEX search_index_words ON search_index USING gin (words);
