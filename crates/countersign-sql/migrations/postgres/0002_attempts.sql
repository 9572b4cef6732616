-- Failed attempts at secrets, as all processes count them together. A key is 128 bits of a hash, so that no name that somebody
-- typed is kept; a tally is NULL before the first attempt. What is under way counts until a moment, in case its process ends
-- without a word.
CREATE TABLE oauth2_attempts (
    key BYTEA NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    tally BYTEA,
    under_way_until BIGINT,
    kept_until BIGINT NOT NULL
);

CREATE INDEX oauth2_attempts_kept_until ON oauth2_attempts (kept_until);
CREATE INDEX oauth2_attempts_kind ON oauth2_attempts (kind, kept_until);

-- Accounts and sources from which somebody logged in to them, by the same hashes, and of which account or client a pair is: so
-- many are kept of each.
CREATE TABLE oauth2_known_pairs (
    key BYTEA NOT NULL PRIMARY KEY,
    kept_until BIGINT NOT NULL,
    whose BYTEA
);

CREATE INDEX oauth2_known_pairs_kept_until ON oauth2_known_pairs (kept_until);
CREATE INDEX oauth2_known_pairs_whose ON oauth2_known_pairs (whose, kept_until, key);
