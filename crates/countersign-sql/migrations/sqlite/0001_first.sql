-- The first tables. Once released, a file in this folder is never edited: its checksum is in every database it made.

-- Who may log in. The name is the canonical one of RFC 8265, compared byte for byte: D22 is this UNIQUE.
CREATE TABLE oauth2_owners (
    subject TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    full_name TEXT,
    email TEXT,
    scope TEXT NOT NULL,
    status TEXT NOT NULL,
    password_hash TEXT
) STRICT;

-- The registry of clients. Hashes of secrets in hex and names of grant types, each separated by single spaces;
-- a scope of NULL is any scope.
CREATE TABLE oauth2_clients (
    id TEXT NOT NULL PRIMARY KEY,
    client_type TEXT NOT NULL,
    secret_hashes TEXT NOT NULL,
    party TEXT NOT NULL,
    grant_types TEXT NOT NULL,
    scope TEXT
) STRICT;

-- Signing keys, PKCS #8. The position is the order in which they came.
CREATE TABLE oauth2_keys (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    private_key BLOB NOT NULL,
    signs_from INTEGER NOT NULL,
    verifies_until INTEGER
) STRICT;

-- What an owner allowed a client. Owners and clients may live elsewhere, so nothing refers to their tables.
CREATE TABLE oauth2_grants (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth2_grants_subject ON oauth2_grants (subject);
CREATE INDEX oauth2_grants_expires_at ON oauth2_grants (expires_at);

-- What is good for one use, by the SHA-256 of its handle. What is spent names the grant it led to, and stays until it
-- would have expired.
CREATE TABLE oauth2_one_time (
    kind TEXT NOT NULL,
    handle BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    payload TEXT NOT NULL,
    spent_by TEXT,
    PRIMARY KEY (kind, handle)
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth2_one_time_expires_at ON oauth2_one_time (expires_at);
