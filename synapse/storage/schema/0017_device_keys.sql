-- Keys for encryption between users. The server keeps what their devices publish and hands it out;
-- it can read nothing by it. What is called `json` is canonical.

-- Identity keys of our users' devices, as they were uploaded.
CREATE TABLE device_keys (
    device_nid BIGINT PRIMARY KEY,
    json BYTEA NOT NULL
);

-- Keys to begin conversations with, each handed out once, in the order in which they came.
CREATE TABLE one_time_keys (
    key_nid SERIAL_KEY,
    device_nid BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json BYTEA NOT NULL,
    UNIQUE (device_nid, algorithm, key_id)
);

-- Serves handing out the oldest, and counting.
CREATE INDEX one_time_keys_in_order ON one_time_keys (device_nid, algorithm, key_nid);

-- What is handed out when a device has no one-time keys left.
CREATE TABLE fallback_keys (
    device_nid BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json BYTEA NOT NULL,
    used SMALLINT NOT NULL,
    PRIMARY KEY (device_nid, algorithm)
) WITHOUT ROWID;

-- Cross-signing keys, of our users and of those of other servers whose device lists are kept.
CREATE TABLE cross_signing_keys (
    user_nid BIGINT NOT NULL,
    usage SMALLINT NOT NULL,       -- see synapse.storage.stores.cross_signing
    public_key TEXT NOT NULL,
    json BYTEA NOT NULL,
    PRIMARY KEY (user_nid, usage)
) WITHOUT ROWID;

-- Signatures that our users have put on keys after these were published.
CREATE TABLE key_signatures (
    user_nid BIGINT NOT NULL,      -- whose key is signed
    target TEXT NOT NULL,          -- their device, or their public master key
    signer_nid BIGINT NOT NULL,
    key_id TEXT NOT NULL,          -- "ed25519:…", of the signer
    signature TEXT NOT NULL,
    stream BIGINT NOT NULL,
    PRIMARY KEY (user_nid, target, signer_nid, key_id)
) WITHOUT ROWID;

-- Serves telling a user's clients whom the user has signed.
CREATE INDEX key_signatures_by_signer ON key_signatures (signer_nid, stream);

-- Whose devices or keys have changed, and when they last did. Who is to be told follows from the
-- rooms that users share: nothing is written for each of them.
CREATE TABLE device_changes (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,       -- also of one that is gone; '': the user's cross-signing keys
                                   -- or, of a user of another server, whatever it was
    stream BIGINT NOT NULL,
    prev BIGINT,                   -- the change of the user's devices before it, or 0; NULL: the
                                   -- user is of another server
    PRIMARY KEY (user_nid, device_id)
) WITHOUT ROWID;

-- Serves telling users of ours.
CREATE INDEX device_changes_in_order ON device_changes (stream, user_nid);

-- Serves telling other servers.
CREATE INDEX device_changes_of_ours ON device_changes (stream) WHERE prev IS NOT NULL;

-- Users of other servers whose devices are kept here, since they share rooms with users of ours.
CREATE TABLE remote_device_lists (
    user_nid BIGINT PRIMARY KEY,
    stream_id BIGINT NOT NULL,     -- their server's number for the newest change that we have
    stale BIGINT NOT NULL          -- 0: it is complete; else how often we heard that it isn't
);

-- Serves asking again for what is incomplete.
CREATE INDEX remote_device_lists_stale ON remote_device_lists (user_nid) WHERE stale > 0;

CREATE TABLE remote_devices (
    user_nid BIGINT NOT NULL,
    device_id TEXT NOT NULL,
    json BYTEA,                    -- its identity keys; NULL: it has none
    display_name TEXT,
    PRIMARY KEY (user_nid, device_id)
) WITHOUT ROWID;
