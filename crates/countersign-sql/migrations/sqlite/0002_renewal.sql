-- Grants that can be renewed, opaque access tokens, and the feed of what has ended.

-- The refresh token of a grant, by hashes: what its family has in common, and the one that is good. Retired ones stay
-- for the seconds in which their use may be tried again, with what they were answered with, sealed: of each the hash in
-- 32 bytes, the time in 8, the length in 4, and the answer. `retired_at` is when the last of them was used.
ALTER TABLE oauth2_grants ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE oauth2_grants ADD COLUMN access_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE oauth2_grants ADD COLUMN refresh_family BLOB;
ALTER TABLE oauth2_grants ADD COLUMN refresh_current BLOB;
ALTER TABLE oauth2_grants ADD COLUMN refresh_expires_at INTEGER;
ALTER TABLE oauth2_grants ADD COLUMN retired BLOB;
ALTER TABLE oauth2_grants ADD COLUMN retired_at INTEGER;

UPDATE oauth2_grants SET used_at = created_at, access_until = expires_at;

CREATE INDEX oauth2_grants_client ON oauth2_grants (client_id);
CREATE INDEX oauth2_grants_retired_at ON oauth2_grants (retired_at) WHERE retired_at IS NOT NULL;

-- Access tokens that say nothing, by the SHA-256 of the token. The claims are those of RFC 9068, as JSON.
CREATE TABLE oauth2_opaque_tokens (
    handle BLOB NOT NULL PRIMARY KEY,
    grant_id TEXT,
    claims TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth2_opaque_tokens_grant_id ON oauth2_opaque_tokens (grant_id);
CREATE INDEX oauth2_opaque_tokens_expires_at ON oauth2_opaque_tokens (expires_at);

-- What verifiers must not believe any more, in the order in which it ended. A number is never given twice, also when the
-- entry that had it is gone.
CREATE TABLE oauth2_feed (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    issued_until INTEGER,
    until INTEGER NOT NULL
) STRICT;

CREATE INDEX oauth2_feed_until ON oauth2_feed (until);
