-- Words that are searched by their middle or end. Each is here once, however many messages hold it.
SQLITE: CREATE TABLE search_words (
    word_nid SERIAL_KEY,
    word TEXT NOT NULL UNIQUE,
    event_nid BIGINT NOT NULL  -- a message that holds it: when that one goes, another, or the word
);
-- Which parts (synapse.util.words) are in which word.
SQLITE: CREATE VIRTUAL TABLE search_parts USING fts5 (
    parts, content = '', columnsize = 0, detail = none, tokenize = "ascii"
);

POSTGRES: CREATE TABLE search_words (
    word TEXT PRIMARY KEY,
    event_nid BIGINT NOT NULL,
    parts TSVECTOR NOT NULL
);
POSTGRES: CREATE INDEX search_words_parts ON search_words USING gin (parts);

-- What is a word has changed as well, so the index is made anew, from the oldest message on.
SQLITE: INSERT INTO search_index (search_index) VALUES ('delete-all');
POSTGRES: TRUNCATE search_index;
UPDATE stream_readers SET position = 0 WHERE name = 'search';
INSERT INTO background_updates (name) SELECT 'user_directory' WHERE EXISTS (SELECT 1 FROM users)
ON CONFLICT (name) DO UPDATE SET position = '{}';
