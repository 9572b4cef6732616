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

macro_rules! select_owner {
    ($rest:literal) => {
        concat!("SELECT subject, username, full_name, email, scope, status, password_hash FROM oauth2_owners ", $rest)
    };
}

macro_rules! select_client {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, auth_methods, secrets, jwks, party, grant_types, scope, audience, token_format, status, \
            created_at, serves FROM oauth2_clients ",
            $rest
        )
    };
}

macro_rules! select_grant {
    ($rest:literal) => {
        concat!(
            "SELECT id, subject, client_id, scope, created_at, used_at, access_until, refresh_family, refresh_current, \
            refresh_expires_at, retired FROM oauth2_grants ",
            $rest
        )
    };
}

macro_rules! insert_grant {
    () => {
        "INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until, \
        refresh_family, refresh_current, refresh_expires_at, retired, retired_at) "
    };
}

/// The built-in client is in no table; a client that was removed is in none either.
macro_rules! client_is_on {
    () => {
        "($3 = 'countersign' OR EXISTS (SELECT 1 FROM oauth2_clients WHERE id = $3 AND status = 'active'))"
    };
}

macro_rules! insert_key {
    () => {
        "INSERT INTO oauth2_keys (id, algorithm, private_key, sealed, signs_from, verifies_until, withdrawn_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7 "
    };
}

/// What goes when it has expired, up to the parenthesis that closes the choice of rows.
macro_rules! sweep {
    (keys $end:literal) => {
        concat!(
            "DELETE FROM oauth2_keys WHERE id IN \
            (SELECT id FROM oauth2_keys WHERE verifies_until <= $1 ORDER BY verifies_until LIMIT $2",
            $end
        )
    };
    (grants $end:literal) => {
        concat!(
            "DELETE FROM oauth2_grants WHERE id IN \
            (SELECT id FROM oauth2_grants WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
            $end
        )
    };
    (retired $end:literal) => {
        concat!(
            "UPDATE oauth2_grants SET retired = NULL, retired_at = NULL WHERE id IN \
            (SELECT id FROM oauth2_grants WHERE retired_at <= $1 ORDER BY retired_at LIMIT $2",
            $end
        )
    };
    (opaque_tokens $end:literal) => {
        concat!(
            "DELETE FROM oauth2_opaque_tokens WHERE handle IN \
            (SELECT handle FROM oauth2_opaque_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
            $end
        )
    };
    (feed $end:literal) => {
        concat!(
            "DELETE FROM oauth2_feed WHERE number IN \
            (SELECT number FROM oauth2_feed WHERE until <= $1 ORDER BY until LIMIT $2",
            $end
        )
    };
    (one_time $end:literal) => {
        concat!(
            "DELETE FROM oauth2_one_time WHERE (kind, handle) IN \
            (SELECT kind, handle FROM oauth2_one_time WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
            $end
        )
    };
}

/// How the grants that have `$1` in a column end: the feed is told, their opaque tokens go, they go.
macro_rules! end_grants {
    ($column:literal) => {
        [
            concat!(
                "INSERT INTO oauth2_feed (kind, name, until) \
                SELECT 'grant', id, access_until FROM oauth2_grants WHERE ",
                $column,
                " = $1"
            ),
            concat!(
                "DELETE FROM oauth2_opaque_tokens WHERE grant_id IN (SELECT id FROM oauth2_grants WHERE ",
                $column,
                " = $1)"
            ),
            concat!("DELETE FROM oauth2_grants WHERE ", $column, " = $1"),
        ]
    };
}

/// Ends one grant, all in one transaction. What the last of them removes is what there was.
pub(crate) const END_GRANT: [&str; 3] = end_grants!("id");

/// Ends the grants of an owner.
pub(crate) const END_GRANTS_OF_OWNER: [&str; 3] = end_grants!("subject");

/// Ends what was granted to a client, and its own tokens. The feed is told of the client, and not of each of what may be very
/// many grants.
pub(crate) const END_GRANTS_TO_CLIENT: [&str; 3] = [
    "DELETE FROM oauth2_opaque_tokens WHERE client_id = $1",
    "DELETE FROM oauth2_opaque_tokens WHERE grant_id IN (SELECT id FROM oauth2_grants WHERE client_id = $1)",
    "DELETE FROM oauth2_grants WHERE client_id = $1",
];

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

/// Whether `CREATE_SCHEMA_TABLE` was ever run. SQLite's own: its catalogue is no other engine's.
#[cfg(feature = "sqlite")]
pub(crate) const SQLITE_FIND_SCHEMA_TABLE: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'oauth2_schema'";

/// The last number that the feed gave; no row before the first. SQLite's own: where it keeps the sequence of a table.
pub(crate) const SQLITE_FIND_LAST_NUMBER: &str = "SELECT seq AS number FROM sqlite_sequence WHERE name = 'oauth2_feed'";

/// A transaction by hand, which ends with its connection at the latest.
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub(crate) const SQLITE_BEGIN_ALONE: &str = "BEGIN EXCLUSIVE";
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub(crate) const SQLITE_COMMIT: &str = "COMMIT";

/// The next number of the feed is above this one; never back. There is no row to change before the first number.
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub(crate) const SQLITE_MOVE_NUMBER: &str =
    "UPDATE sqlite_sequence SET seq = $1 WHERE name = 'oauth2_feed' AND seq < $1";
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub(crate) const SQLITE_PUT_NUMBER: &str = "INSERT INTO sqlite_sequence (name, seq) SELECT 'oauth2_feed', $1 \
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'oauth2_feed')";

/// One row, which says `ok` or the first thing that is wrong with the file.
pub(crate) const SQLITE_CHECK: &str = "PRAGMA integrity_check(1)";

/// Writes all there is at one moment into a new file, without what was deleted.
pub(crate) const SQLITE_COPY_INTO: &str = "VACUUM INTO $1";

#[cfg(feature = "postgres")]
pub(crate) use self::postgres::*;

/// PostgreSQL's own, most of them locks: SQLite has one writer and needs none.
///
/// Other engines that speak PostgreSQL's protocol share all that is above and, of these, the locks of rows (`FOR UPDATE`,
/// `FOR SHARE`, `SKIP LOCKED`) and arrays. What some of them lack: `POSTGRES_BEGIN_TO_MIGRATE`, and the
/// queues before owners and clients (advisory locks), `POSTGRES_LOCK_FEED` and `POSTGRES_LISTEN` (notifications),
/// `POSTGRES_SESSION` (the names of its settings), `POSTGRES_LOCK_ATTEMPTS` (the numbers of transactions).
#[cfg(feature = "postgres")]
mod postgres {
    statements! {
        /// No statement, no lock and no client that went silent may keep others waiting for long. Milliseconds. What was
        /// acknowledged is on the disk; but a database that waits for more than its own disk goes on doing so.
        POSTGRES_SESSION = "SET default_transaction_isolation = 'read committed'; \
            SET statement_timeout = 8000; \
            SET lock_timeout = 5000; \
            SET idle_in_transaction_session_timeout = 5000; \
            SET client_min_messages = 'warning'; \
            SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
        POSTGRES_SESSION_LOOKS = "SET default_transaction_read_only = on";

        POSTGRES_BEGIN = "BEGIN";
        POSTGRES_COMMIT = "COMMIT";
        POSTGRES_UNDO = "ROLLBACK";

        /// Who names owners or clients, or makes keys, is the only one until the end of the transaction.
        POSTGRES_LOCK = "SELECT name FROM oauth2_locks WHERE name = $1 FOR UPDATE";
        /// Whoever adds to the feed is the only one until the end of the transaction: so numbers become visible in their
        /// order, and who follows by number misses none. At the commit those hear it who listen.
        POSTGRES_LOCK_FEED = "SELECT pg_notify('oauth2_feed', '') FROM oauth2_locks WHERE name = 'feed' FOR UPDATE";
        /// Until the end of the transaction the owner stays as found; who changes the owner waits, or has to be waited for.
        ///
        /// A row that many share is never free for who changes it: the database lets others share it who come later. So there
        /// is a queue before the row, in which nobody overtakes; it has to be passed before the row is locked.
        POSTGRES_LOCK_OWNER = "SELECT subject FROM oauth2_owners WHERE subject = $1 \
            AND (SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 1))) IS NOT NULL FOR SHARE";
        POSTGRES_LOCK_CLIENT = "SELECT id FROM oauth2_clients WHERE id = $1 \
            AND (SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 2))) IS NOT NULL FOR SHARE";
        /// Who changes an owner, or a client, stands in the same queue first.
        POSTGRES_CHANGE_OWNER = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))";
        POSTGRES_CHANGE_CLIENT = "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))";
        /// So that no token is added to a grant while it ends. Not shared: few come at once, and who ends it gets there.
        POSTGRES_LOCK_GRANT = "SELECT id FROM oauth2_grants WHERE id = $1 FOR UPDATE";
        POSTGRES_LOCK_GRANTS_TO_CLIENT = "SELECT COUNT(*) AS locked FROM \
            (SELECT id FROM oauth2_grants WHERE client_id = $1 ORDER BY id FOR UPDATE) AS grants";

        /// All keys, before the feed, as who withdraws one has it.
        POSTGRES_LOCK_ALL_KEYS = "SELECT COUNT(*) AS locked FROM \
            (SELECT id FROM oauth2_keys ORDER BY position FOR UPDATE) AS keys";

        /// While an epoch begins nothing is granted, renewed or spent.
        POSTGRES_LOCK_ALL_GRANTS = "LOCK TABLE oauth2_grants, oauth2_one_time, oauth2_opaque_tokens \
            IN EXCLUSIVE MODE";
        /// What ends very much takes its time.
        POSTGRES_TAKE_TIME = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 60000; \
            SET LOCAL idle_in_transaction_session_timeout = 60000";

        /// What goes and what is told are the same rows, as the last renewal left them.
        POSTGRES_END_GRANT = "DELETE FROM oauth2_grants WHERE id = $1 RETURNING id, access_until";
        POSTGRES_END_GRANTS_OF_OWNER = "DELETE FROM oauth2_grants WHERE subject = $1 RETURNING id, access_until";
        /// A statement of its own, after the grants are gone: it sees every token that was added before.
        POSTGRES_END_TOKENS_OF_GRANTS = "DELETE FROM oauth2_opaque_tokens WHERE grant_id = ANY(CAST($1 AS TEXT[]))";
        POSTGRES_TELL_ENDED_GRANTS = "INSERT INTO oauth2_feed (kind, name, until) SELECT 'grant', id, until \
            FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[])) AS ended (id, until)";

        /// The sweeps leave what another transaction holds: a row that is being renewed has not expired, and the choice of
        /// rows is not made again after a wait.
        POSTGRES_SWEEP_GRANTS = sweep!(grants " FOR UPDATE SKIP LOCKED)");
        POSTGRES_SWEEP_RETIRED = sweep!(retired " FOR UPDATE SKIP LOCKED)");
        POSTGRES_SWEEP_OPAQUE_TOKENS = sweep!(opaque_tokens " FOR UPDATE SKIP LOCKED)");
        POSTGRES_SWEEP_ONE_TIME = sweep!(one_time " FOR UPDATE SKIP LOCKED)");
        POSTGRES_SWEEP_FEED = sweep!(feed " FOR UPDATE SKIP LOCKED)");
        POSTGRES_SWEEP_KEYS = sweep!(keys " FOR UPDATE SKIP LOCKED)");

        POSTGRES_DO_NOT_WAIT_FOR_THE_DISK = "SET LOCAL synchronous_commit = off";
        /// Those that are not there are made. In the order of their keys, so that no two wait for each other.
        POSTGRES_LOCK_ATTEMPTS = "INSERT INTO oauth2_attempts (key, kind, kept_until) SELECT key, kind, 0 \
            FROM unnest(CAST($1 AS BYTEA[]), CAST($2 AS TEXT[])) AS wanted (key, kind) ORDER BY key \
            ON CONFLICT (key) DO UPDATE SET key = excluded.key \
            RETURNING key, tally, under_way_until, txid_current() AS transaction";
        /// What became of a transaction: `committed`, `aborted`, or `in progress`; NULL of one that nobody remembers.
        POSTGRES_FIND_TRANSACTION = "SELECT txid_status($1) AS fate";
        POSTGRES_PUT_ATTEMPTS = "UPDATE oauth2_attempts SET tally = changed.tally, kept_until = changed.kept_until, \
            under_way_until = COALESCE($1, under_way_until) \
            FROM unnest(CAST($2 AS BYTEA[]), CAST($3 AS BYTEA[]), CAST($4 AS BIGINT[])) AS changed (key, tally, kept_until) \
            WHERE oauth2_attempts.key = changed.key";
        POSTGRES_REMOVE_ATTEMPTS = "DELETE FROM oauth2_attempts WHERE key = ANY(CAST($1 AS BYTEA[]))";
        POSTGRES_SWEEP_ATTEMPTS = "DELETE FROM oauth2_attempts WHERE key IN (SELECT key FROM oauth2_attempts \
            WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2 FOR UPDATE SKIP LOCKED)";
        /// Those beyond so many, the ones first that would be forgotten first. The others are looked at and not locked.
        POSTGRES_SWEEP_EXCESS_ATTEMPTS = "DELETE FROM oauth2_attempts WHERE key IN (SELECT key FROM oauth2_attempts \
            WHERE kind = $1 AND kept_until <= (SELECT kept_until FROM oauth2_attempts WHERE kind = $1 \
            ORDER BY kept_until DESC OFFSET $2 LIMIT 1) ORDER BY kept_until LIMIT $3 FOR UPDATE SKIP LOCKED)";
        POSTGRES_FIND_ATTEMPT = "SELECT key FROM oauth2_attempts WHERE key = $1";
        POSTGRES_FIND_KNOWN_PAIR = "SELECT key FROM oauth2_known_pairs WHERE key = $1 AND kept_until > $2";
        /// What was written within a day is left as it is.
        POSTGRES_PUT_KNOWN_PAIR = "INSERT INTO oauth2_known_pairs (key, whose, kept_until) VALUES ($1, $2, $3) \
            ON CONFLICT (key) DO UPDATE SET whose = excluded.whose, kept_until = excluded.kept_until \
            WHERE oauth2_known_pairs.kept_until < $4";
        /// Beside the pair that was just put, so many of the same account or client stay: the newest.
        POSTGRES_FORGET_KNOWN_PAIRS = "DELETE FROM oauth2_known_pairs WHERE key IN (SELECT key FROM oauth2_known_pairs \
            WHERE whose = $1 AND key <> $2 AND (kept_until, key) <= (SELECT kept_until, key FROM oauth2_known_pairs \
            WHERE whose = $1 AND key <> $2 ORDER BY kept_until DESC, key DESC OFFSET $3 LIMIT 1) \
            ORDER BY kept_until, key FOR UPDATE SKIP LOCKED)";
        POSTGRES_SWEEP_KNOWN_PAIRS = "DELETE FROM oauth2_known_pairs WHERE key IN (SELECT key FROM oauth2_known_pairs \
            WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2 FOR UPDATE SKIP LOCKED)";
        POSTGRES_SWEEP_EXCESS_KNOWN_PAIRS = "DELETE FROM oauth2_known_pairs WHERE key IN (SELECT key FROM \
            oauth2_known_pairs WHERE kept_until <= (SELECT kept_until FROM oauth2_known_pairs \
            ORDER BY kept_until DESC OFFSET $1 LIMIT 1) ORDER BY kept_until LIMIT $2 FOR UPDATE SKIP LOCKED)";

        /// The last number that the feed gave, 0 before the first: the sequence knows also of those that are gone.
        POSTGRES_FIND_LAST_NUMBER = "SELECT COALESCE(pg_sequence_last_value(CAST(pg_get_serial_sequence('oauth2_feed', \
            'number') AS REGCLASS)), 0) AS number";
        /// The next number is the one after this.
        POSTGRES_MOVE_NUMBER = "SELECT setval(pg_get_serial_sequence('oauth2_feed', 'number'), $1) AS number";

        /// As one moment had it. A large database is given its time.
        POSTGRES_BEGIN_TO_READ_ALL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
            SET LOCAL statement_timeout = 600000; SET LOCAL idle_in_transaction_session_timeout = 600000";
        POSTGRES_BEGIN_TO_FILL = "BEGIN; \
            SET LOCAL statement_timeout = 600000; SET LOCAL idle_in_transaction_session_timeout = 600000";
        /// No two databases have the same, unless their servers were started in the same microsecond.
        POSTGRES_FIND_IDENTITY = "SELECT concat_ws(' ', \
            date_part('epoch', pg_postmaster_start_time()), current_database(), \
            current_schema()) AS identity";
        /// The next position is the one after the last, if there is one.
        POSTGRES_MOVE_POSITION = "SELECT setval(pg_get_serial_sequence('oauth2_keys', 'position'), MAX(position)) AS number \
            FROM oauth2_keys HAVING COUNT(*) > 0";

        POSTGRES_LISTEN = "LISTEN oauth2_feed";

        /// Before there are tables, there is nothing else to lock. The number is nobody's: the first eight letters of our name.
        POSTGRES_BEGIN_TO_MIGRATE = "BEGIN; SET LOCAL statement_timeout = 60000; SET LOCAL lock_timeout = 60000; \
            SELECT pg_advisory_xact_lock(7165074649429406323)";
        POSTGRES_FIND_ENCODING = "SELECT current_setting('server_encoding') AS encoding";
        /// Whether the table of steps is there, where tables of ours would be made.
        POSTGRES_FIND_SCHEMA_TABLE = "SELECT relname FROM pg_catalog.pg_class \
            WHERE oid = to_regclass('oauth2_schema') AND relkind IN ('r', 'p')";
        POSTGRES_CREATE_SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS oauth2_schema \
            (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, welcomes BIGINT NOT NULL)";
    }

    /// How many statements there are for PostgreSQL, at most.
    pub(crate) const POSTGRES_COUNT: usize = super::ALL.len() + ALL.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text there is, with PostgreSQL's own.
    fn all() -> impl Iterator<Item = &'static str> {
        #[cfg(feature = "postgres")]
        let own = postgres::ALL;
        #[cfg(not(feature = "postgres"))]
        let own: &[&str] = &[];
        let lists = [ALL, &END_GRANT, &END_GRANTS_OF_OWNER, &END_GRANTS_TO_CLIENT, own];
        lists.into_iter().flatten().copied()
    }

    /// The numbers after each `$`, in the order of the text.
    fn parameters(text: &str) -> Vec<usize> {
        let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
        text.split('$').skip(1).map(|rest| digits(rest).parse().unwrap()).collect()
    }

    #[test]
    fn parameters_are_numbered_in_the_order_of_first_occurrence() {
        for text in all().chain(END_EVERYTHING) {
            let mut highest = 0;
            for number in parameters(text) {
                assert!(number <= highest + 1, "{text}");
                highest = highest.max(number);
            }
        }
    }

    #[test]
    fn n1_exactly_one_conditional_statement_spends() {
        let spending: Vec<_> = all().filter(|text| text.contains("spent_by =")).collect();
        assert_eq!(spending, [SPEND_ONE_TIME]);
        assert!(SPEND_ONE_TIME.starts_with("UPDATE oauth2_one_time SET spent_by = $1 WHERE "));
        assert!(SPEND_ONE_TIME.contains(" AND spent_by IS NULL AND expires_at > "));
    }

    #[test]
    fn n1_exactly_one_conditional_statement_spends_a_refresh_token() {
        let spending: Vec<_> =
            all().filter(|text| text.contains("SET") && text.contains("refresh_current =")).collect();
        assert_eq!(spending, [ROTATE_REFRESH]);
        assert!(ROTATE_REFRESH.ends_with(" WHERE id = $8 AND refresh_current = $9"));
    }

    #[test]
    fn no_statement_speaks_one_dialect_only() {
        for text in ALL.iter().chain(&END_GRANT).chain(&END_EVERYTHING) {
            let upper = text.to_uppercase();
            for word in ["INSERT OR ", "REPLACE INTO", "ROWID", "IFNULL", "GLOB", "PRAGMA", "?", "::", "NOW(", "SERIAL"]
            {
                assert!(!upper.contains(word), "{word}: {text}");
            }
        }
    }

    #[test]
    fn n8_statements_name_their_columns_so_that_others_may_come() {
        for text in all().chain(END_EVERYTHING) {
            assert!(!text.replace("COUNT(*)", "").contains('*'), "{text}");
            for rest in text.split("INSERT INTO ").skip(1) {
                let (_, columns) = rest.split_once(' ').unwrap();
                assert!(columns.starts_with('('), "{text}");
            }
        }
    }

    #[test]
    fn every_table_has_the_prefix() {
        for text in all().chain(END_EVERYTHING).filter(|text| !text.contains("pg_catalog.")) {
            for verb in ["FROM ", "INTO ", "UPDATE ", "EXISTS "] {
                for rest in text.split(verb).skip(1).filter(|rest| !rest.starts_with(['(', 'S'])) {
                    assert!(rest.starts_with("oauth2_") || rest.starts_with("unnest("), "{text}");
                }
            }
        }
    }
}
