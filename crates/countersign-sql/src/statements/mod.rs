//! All SQL there is, one named text each, which SQLite and PostgreSQL both understand unless it is named after one of them;
//! but what moves whole tables, which `tables` makes of its list.
//!
//! Parameters are `$1 …`, numbered in the order in which they first occur: SQLite counts them so. Every write that
//! decides something decides it in the statement itself, and the number of rows it changed is the answer.
//!
//! Where the engines differ: SQLite has a single writer, and an engine with several locks first what a statement stands on
//! (`postgres/locks.rs`); how grants end and what has expired goes is in each engine's own words for that reason.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*

        /// Every text there is.
        pub(crate) const ALL: &[&str] = &[$($name),*];
    };
}

#[macro_use]
mod parts;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub(crate) use self::postgres::*;
#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::*;

/// Ends one grant, all in one transaction. What the last of them removes is what there was.
pub(crate) const END_GRANT: [&str; 3] = end_grants!("id" "");

/// Ends the grants of an owner. The feed is told of those whose access tokens live after `$2`.
pub(crate) const END_GRANTS_OF_OWNER: [&str; 3] = end_grants!("subject" " AND access_until > $2");

/// Ends whatever can be presented: opaque tokens, grants, and what is good for one use. What stands for nothing was only
/// remembered, and stays.
pub(crate) const END_EVERYTHING: [&str; 3] = [
    "DELETE FROM oauth2_grants",
    "DELETE FROM oauth2_one_time WHERE payload <> ''",
    "DELETE FROM oauth2_opaque_tokens",
];

statements! {
    FIND_OWNER_BY_USERNAME = select_owner!("WHERE username = $1");
    FIND_OWNER_BY_SUBJECT = select_owner!("WHERE subject = $1");
    /// The first page is the one after the empty name, which nobody has.
    LIST_OWNERS = select_owner!("WHERE username > $1 ORDER BY username LIMIT $2");
    /// Whichever is taken, the name or the subject, nothing is written; nor if the subject is a client's name.
    ADD_OWNER = "INSERT INTO oauth2_owners (subject, username, full_name, email, scope, status, password_hash) \
        SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM oauth2_clients WHERE id = $1) \
        ON CONFLICT DO NOTHING";
    /// Sets it only in the place of one that is known: for a better hash of the same password, and for a change by its user.
    REPLACE_PASSWORD = "UPDATE oauth2_owners SET password_hash = $1 WHERE subject = $2 AND password_hash = $3";
    SET_PASSWORD = "UPDATE oauth2_owners SET password_hash = $1 WHERE subject = $2";
    SET_STATUS = "UPDATE oauth2_owners SET status = $1 WHERE subject = $2";
    REMOVE_OWNER = "DELETE FROM oauth2_owners WHERE subject = $1";

    FIND_CLIENT = select_client!("WHERE id = $1");
    /// The first page is the one after the empty name, which nobody has.
    LIST_CLIENTS = select_client!("WHERE id > $1 ORDER BY id LIMIT $2");
    FIND_ANY_CLIENT = "SELECT id FROM oauth2_clients LIMIT 1";
    /// Nothing is written if the name is a client's, or some owner's subject.
    ADD_CLIENT = "INSERT INTO oauth2_clients (id, name, auth_methods, secrets, jwks, party, grant_types, scope, \
        audience, token_format, status, created_at, serves) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 \
        WHERE NOT EXISTS (SELECT 1 FROM oauth2_owners WHERE subject = $1) ON CONFLICT DO NOTHING";
    SET_CLIENT_STATUS = "UPDATE oauth2_clients SET status = $1 WHERE id = $2";
    /// Of two rotations that read the same secrets, one changes a row.
    ROTATE_CLIENT_SECRETS = "UPDATE oauth2_clients SET secrets = $1 WHERE id = $2 AND secrets = $3";
    REMOVE_CLIENT = "DELETE FROM oauth2_clients WHERE id = $1";
    /// When what was granted to it was last used; one row, whose value is NULL where nothing was.
    FIND_LAST_USE_OF_CLIENT = "SELECT MAX(used_at) AS moment FROM oauth2_grants WHERE client_id = $1";
    /// One row if anything is left of what was granted to a client that is disabled or gone, or of its own tokens: a process that
    /// was ending it was killed. Of the built-in one, which is in no table, nothing is left over.
    FIND_LEFT_BY_CLIENT = "SELECT 1 AS found WHERE CAST($1 AS TEXT) <> 'countersign' \
        AND NOT EXISTS (SELECT 1 FROM oauth2_clients WHERE id = $1 AND status = 'active') \
        AND (EXISTS (SELECT 1 FROM oauth2_grants WHERE client_id = $1) \
        OR EXISTS (SELECT 1 FROM oauth2_opaque_tokens WHERE client_id = $1))";

    FIND_KEYS = "SELECT id, algorithm, private_key, sealed, signs_from, verifies_until, withdrawn_at FROM oauth2_keys \
        ORDER BY position";
    PUT_FIRST_KEY = concat!(insert_key!(), "WHERE NOT EXISTS (SELECT 1 FROM oauth2_keys WHERE algorithm = $2)");
    /// Of any number of callers exactly one adds a row.
    PUT_NEXT_KEY = concat!(
        insert_key!(),
        "WHERE $8 = (SELECT id FROM oauth2_keys WHERE algorithm = $2 ORDER BY position DESC LIMIT 1)"
    );
    /// Those whose place `$2` takes, after it was put.
    RETIRE_KEYS = "UPDATE oauth2_keys SET verifies_until = $1 WHERE id <> $2 AND withdrawn_at IS NULL AND (id = $3 \
        OR (verifies_until IS NULL AND (algorithm = $4 OR signs_from < $5)))";
    WITHDRAW_KEY = "UPDATE oauth2_keys SET verifies_until = $1, withdrawn_at = $1, private_key = $2, sealed = 0 \
        WHERE id = $3 AND withdrawn_at IS NULL";
    SEAL_KEY = "UPDATE oauth2_keys SET private_key = $1, sealed = 1 \
        WHERE id = $2 AND sealed = 0 AND withdrawn_at IS NULL";
    SWEEP_KEYS = sweep!(keys ")");

    FIND_GRANT = select_grant!("WHERE id = $1");
    /// The first page is the one after the empty name, which no grant has.
    LIST_GRANTS = select_grant!("WHERE subject = $1 AND id > $2 ORDER BY id LIMIT $3");
    /// One row if an owner has more than so many.
    FIND_GRANT_BEYOND = "SELECT id FROM oauth2_grants WHERE subject = $1 ORDER BY id LIMIT 1 OFFSET $2";
    /// How an owner's were used: those from one on, and those before it. Names are random, and so is what of very many is seen.
    FIND_LAST_USES_FROM = "SELECT id, used_at, access_until FROM oauth2_grants WHERE subject = $1 AND id >= $2 \
        ORDER BY id LIMIT $3";
    FIND_LAST_USES_BEFORE = "SELECT id, used_at, access_until FROM oauth2_grants WHERE subject = $1 AND id < $2 \
        ORDER BY id LIMIT $3";
    /// For an owner who is not in our table.
    RECORD_GRANT =
        concat!(insert_grant!(), "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 WHERE ", client_is_on!());
    /// For an owner of our table, if active and, where `$14` is not null, with that password hash.
    RECORD_GRANT_OF_OWNER = concat!(
        insert_grant!(),
        "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 WHERE ",
        client_is_on!(),
        " AND EXISTS (SELECT 1 FROM oauth2_owners \
        WHERE subject = $2 AND status = 'active' AND (CAST($14 AS TEXT) IS NULL OR password_hash = $14))"
    );
    /// The one place that spends a refresh token. Of any number of callers exactly one changes the row, and none once the
    /// grant is gone.
    ROTATE_REFRESH = "UPDATE oauth2_grants SET expires_at = $1, used_at = $2, access_until = $3, refresh_current = $4, \
        refresh_expires_at = $5, retired = $6, retired_at = $7 WHERE id = $8 AND refresh_current = $9";
    SWEEP_GRANTS = sweep!(grants ")");
    SWEEP_RETIRED = sweep!(retired ")");

    /// Of a grant that has ended there is none, nor of a client that is disabled or gone.
    PUT_OPAQUE_TOKEN = "INSERT INTO oauth2_opaque_tokens (handle, grant_id, client_id, claims, expires_at) \
        SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT 1 FROM oauth2_grants WHERE id = $2) \
        OR EXISTS (SELECT 1 FROM oauth2_clients WHERE id = $3 AND status = 'active')";
    FIND_OPAQUE_TOKEN = "SELECT grant_id, client_id, claims, expires_at FROM oauth2_opaque_tokens WHERE handle = $1";
    REVOKE_OPAQUE_TOKEN = "DELETE FROM oauth2_opaque_tokens WHERE handle = $1";
    SWEEP_OPAQUE_TOKENS = sweep!(opaque_tokens ")");

    APPEND_FEED = "INSERT INTO oauth2_feed (kind, name, issued_until, until) VALUES ($1, $2, $3, $4)";
    /// The first entry of an epoch: its number is given, and those after it go on from there. An engine whose sequence does not
    /// see it moves the sequence too.
    BEGIN_EPOCH = "INSERT INTO oauth2_feed (number, kind, name, issued_until, until) VALUES ($1, $2, $3, $4, $5)";
    /// Before `WITHDRAW_ALL_KEYS`, which leaves none.
    TELL_OF_ALL_KEYS = "INSERT INTO oauth2_feed (kind, name, until) \
        SELECT 'key', id, $1 FROM oauth2_keys WHERE withdrawn_at IS NULL ORDER BY position";
    WITHDRAW_ALL_KEYS = "UPDATE oauth2_keys SET verifies_until = $1, withdrawn_at = $1, private_key = $2, sealed = 0 \
        WHERE withdrawn_at IS NULL";
    FIND_FEED = "SELECT number, kind, name, issued_until, until FROM oauth2_feed WHERE number > $1 ORDER BY number LIMIT $2";
    SWEEP_FEED = sweep!(feed ")");

    FIND_ONE_TIME = "SELECT expires_at, payload FROM oauth2_one_time \
        WHERE kind = $1 AND handle = $2 AND spent_by IS NULL AND expires_at > $3";
    /// Put again, a thing is replaced; what is spent stays spent.
    PUT_ONE_TIME = "INSERT INTO oauth2_one_time (kind, handle, expires_at, payload) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (kind, handle) DO UPDATE SET expires_at = excluded.expires_at, payload = excluded.payload \
        WHERE oauth2_one_time.spent_by IS NULL";
    /// The one place that spends. Of any number of callers exactly one changes a row.
    SPEND_ONE_TIME = "UPDATE oauth2_one_time SET spent_by = $1 \
        WHERE kind = $2 AND handle = $3 AND spent_by IS NULL AND expires_at > $4";
    /// Of any number of callers exactly one changes a row; what has expired by then counts as new.
    REMEMBER_ONCE = "INSERT INTO oauth2_one_time (kind, handle, expires_at, payload) VALUES ($1, $2, $3, '') \
        ON CONFLICT (kind, handle) DO UPDATE SET expires_at = excluded.expires_at \
        WHERE oauth2_one_time.expires_at <= $4";
    SWEEP_ONE_TIME = sweep!(one_time ")");

    /// One row, whose value is NULL where there is nothing yet.
    FIND_NEWEST_MOMENT = "SELECT MAX(moment) AS moment FROM (SELECT MAX(used_at) AS moment FROM oauth2_grants \
        UNION ALL SELECT MAX(created_at) AS moment FROM oauth2_clients) AS newest";

    /// What is in a database, for an operator who copies it. A key whose private half is gone counts for nothing.
    COUNT_RECORDS = "SELECT (SELECT COUNT(*) FROM oauth2_owners) AS owners, \
        (SELECT COUNT(*) FROM oauth2_clients) AS clients, (SELECT COUNT(*) FROM oauth2_grants) AS grants, \
        (SELECT COUNT(*) FROM oauth2_keys WHERE LENGTH(private_key) > 0) AS private_keys";
    COUNT_PLAIN_KEYS = "SELECT COUNT(*) AS plain_keys FROM oauth2_keys WHERE sealed = 0 AND LENGTH(private_key) > 0";

    CREATE_SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS oauth2_schema \
        (version INTEGER NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, welcomes INTEGER NOT NULL)";
    FIND_APPLIED = "SELECT version, checksum, welcomes FROM oauth2_schema ORDER BY version";
    RECORD_APPLIED = "INSERT INTO oauth2_schema (version, checksum, welcomes) VALUES ($1, $2, $3)";
}

#[cfg(test)]
mod tests;
