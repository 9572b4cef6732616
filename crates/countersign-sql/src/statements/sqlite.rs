//! SQLite's own: its catalogue, its sequences, and what it does to whole files.

/// Whether `CREATE_SCHEMA_TABLE` was ever run. Its catalogue is no other engine's.
pub(crate) const SQLITE_FIND_SCHEMA_TABLE: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'oauth2_schema'";

/// The last number that the feed gave; no row before the first. Where it keeps the sequence of a table.
pub(crate) const SQLITE_FIND_LAST_NUMBER: &str = "SELECT seq AS number FROM sqlite_sequence WHERE name = 'oauth2_feed'";

/// A transaction by hand, which ends with its connection at the latest.
#[cfg(feature = "postgres")]
pub(crate) const SQLITE_BEGIN_ALONE: &str = "BEGIN EXCLUSIVE";
#[cfg(feature = "postgres")]
pub(crate) const SQLITE_COMMIT: &str = "COMMIT";

/// The next number of the feed is above this one; never back. There is no row to change before the first number.
#[cfg(feature = "postgres")]
pub(crate) const SQLITE_MOVE_NUMBER: &str =
    "UPDATE sqlite_sequence SET seq = $1 WHERE name = 'oauth2_feed' AND seq < $1";
#[cfg(feature = "postgres")]
pub(crate) const SQLITE_PUT_NUMBER: &str = "INSERT INTO sqlite_sequence (name, seq) SELECT 'oauth2_feed', $1 \
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'oauth2_feed')";

/// One row, which says `ok` or the first thing that is wrong with the file.
pub(crate) const SQLITE_CHECK: &str = "PRAGMA integrity_check(1)";

/// Writes all there is at one moment into a new file, without what was deleted.
pub(crate) const SQLITE_COPY_INTO: &str = "VACUUM INTO $1";

/// When the next part of what was granted to a client was last used; one row, whose value is NULL where nothing is left.
pub(crate) const SQLITE_FIND_LAST_USE_OF_PART: &str = "SELECT MAX(used_at) AS moment FROM \
    (SELECT used_at FROM oauth2_grants WHERE client_id = $1 ORDER BY id LIMIT $2) AS part";

/// Ends a part of what was granted to a client: so many of its own tokens; so many of the tokens that the next grants have; and
/// those of these grants that have none left. The feed is told of the client, and not of each of what may be very many grants.
pub(crate) const SQLITE_END_OWN_TOKENS_OF_PART: &str = "DELETE FROM oauth2_opaque_tokens WHERE handle IN \
    (SELECT handle FROM oauth2_opaque_tokens WHERE client_id = $1 ORDER BY handle LIMIT $2)";
pub(crate) const SQLITE_END_TOKENS_OF_PART: &str = "DELETE FROM oauth2_opaque_tokens WHERE handle IN \
    (SELECT handle FROM oauth2_opaque_tokens WHERE grant_id IN \
    (SELECT id FROM oauth2_grants WHERE client_id = $1 ORDER BY id LIMIT $2) LIMIT $3)";
pub(crate) const SQLITE_END_GRANTS_OF_PART: &str = "DELETE FROM oauth2_grants WHERE id IN \
    (SELECT id FROM oauth2_grants WHERE client_id = $1 ORDER BY id LIMIT $2) \
    AND NOT EXISTS (SELECT 1 FROM oauth2_opaque_tokens WHERE grant_id = oauth2_grants.id)";

/// All that have to do with such a part.
#[cfg(test)]
pub(crate) const SQLITE_OF_PART: [&str; 4] =
    [SQLITE_FIND_LAST_USE_OF_PART, SQLITE_END_OWN_TOKENS_OF_PART, SQLITE_END_TOKENS_OF_PART, SQLITE_END_GRANTS_OF_PART];
