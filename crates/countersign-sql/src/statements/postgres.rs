//! PostgreSQL's own, most of them locks: SQLite has one writer and needs none.
//!
//! Other engines that speak PostgreSQL's protocol share all that is in [`super`] and, of these, the locks of rows
//! (`FOR UPDATE`, `FOR SHARE`, `SKIP LOCKED`) and arrays. What some of them lack: `POSTGRES_BEGIN_TO_MIGRATE`, and the
//! queues before owners and clients (advisory locks), `POSTGRES_LOCK_FEED` and `POSTGRES_LISTEN` (notifications),
//! `POSTGRES_SESSION` and `POSTGRES_TAKE_BY_INDEX` (the names of its settings), `POSTGRES_LOCK_ATTEMPTS` (the numbers of
//! transactions).

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
    /// A part of what was granted to a client: any so many, but those that others hold.
    POSTGRES_LOCK_PART_TO_CLIENT = "SELECT id, used_at FROM oauth2_grants WHERE id = ANY(ARRAY( \
        SELECT id FROM oauth2_grants WHERE client_id = $1 LIMIT $2)) FOR UPDATE SKIP LOCKED";
    /// Waits for one that others hold.
    POSTGRES_LOCK_ONE_TO_CLIENT = "SELECT id, used_at FROM oauth2_grants WHERE client_id = $1 LIMIT 1 FOR UPDATE";
    /// A part is found where it begins. Else each would be looked for among all that is left, or has gone before.
    POSTGRES_TAKE_BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off";

    /// All keys, before the feed, as who withdraws one has it.
    POSTGRES_LOCK_ALL_KEYS = "SELECT COUNT(*) AS locked FROM \
        (SELECT id FROM oauth2_keys ORDER BY position FOR UPDATE) AS keys";

    /// While an epoch begins nothing is granted, renewed or spent.
    POSTGRES_LOCK_ALL_GRANTS = "LOCK TABLE oauth2_grants, oauth2_one_time, oauth2_opaque_tokens \
        IN EXCLUSIVE MODE";
    /// What ends very much takes its time.
    POSTGRES_TAKE_TIME = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 60000; \
        SET LOCAL idle_in_transaction_session_timeout = 60000";

    /// As that, but whoever must wait for another waits no longer than otherwise.
    POSTGRES_TAKE_TIME_TO_WORK = "SET LOCAL statement_timeout = 0; \
        SET LOCAL idle_in_transaction_session_timeout = 60000";

    /// What goes and what is told are the same rows, as the last renewal left them.
    POSTGRES_END_GRANT = "DELETE FROM oauth2_grants WHERE id = $1 RETURNING id, access_until";
    /// So many of an owner's, those whose names come after `$2`, in their order: there may be very many.
    POSTGRES_END_PART_OF_OWNER = "DELETE FROM oauth2_grants WHERE id IN (SELECT id FROM oauth2_grants \
        WHERE subject = $1 AND id > $2 ORDER BY id LIMIT $3 FOR UPDATE) RETURNING id, access_until";
    /// As the sweeps: one that is being renewed is used, and stays.
    POSTGRES_FORGET_GRANTS = "DELETE FROM oauth2_grants WHERE id IN (SELECT id FROM oauth2_grants \
        WHERE id = ANY(CAST($1 AS TEXT[])) AND access_until <= $2 ORDER BY id FOR UPDATE SKIP LOCKED) \
        RETURNING id, access_until";
    /// A statement of its own, after the grants are gone: it sees every token that was added before.
    POSTGRES_END_TOKENS_OF_GRANTS = "DELETE FROM oauth2_opaque_tokens WHERE grant_id = ANY(CAST($1 AS TEXT[]))";
    POSTGRES_TELL_ENDED_GRANTS = "INSERT INTO oauth2_feed (kind, name, until) SELECT 'grant', id, until \
        FROM unnest(CAST($1 AS TEXT[]), CAST($2 AS BIGINT[])) AS ended (id, until)";
    /// So many tokens of the grants that were locked, and then the grants that have none left. The feed is told of the client, and
    /// not of each of what may be very many grants.
    POSTGRES_END_TOKENS_OF_PART = "DELETE FROM oauth2_opaque_tokens WHERE handle = ANY(ARRAY( \
        SELECT handle FROM oauth2_opaque_tokens WHERE grant_id = ANY(CAST($1 AS TEXT[])) LIMIT $2))";
    POSTGRES_END_GRANTS_OF_PART = "DELETE FROM oauth2_grants WHERE id = ANY(CAST($1 AS TEXT[])) \
        AND NOT EXISTS (SELECT 1 FROM oauth2_opaque_tokens WHERE grant_id = oauth2_grants.id)";
    POSTGRES_END_OWN_TOKENS_OF_PART = "DELETE FROM oauth2_opaque_tokens WHERE handle = ANY(ARRAY( \
        SELECT handle FROM oauth2_opaque_tokens WHERE client_id = $1 LIMIT $2))";

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

    /// The last number that the feed gave, 0 before the first: the sequence knows also of those that are gone. NULL if it may not be
    /// read.
    POSTGRES_FIND_LAST_NUMBER = "SELECT CASE WHEN has_sequence_privilege(sequence, 'SELECT, USAGE') \
        THEN GREATEST(pg_sequence_last_value(sequence), (SELECT MAX(number) FROM oauth2_feed), 0) END AS number \
        FROM (SELECT CAST(pg_get_serial_sequence('oauth2_feed', 'number') AS REGCLASS) AS sequence) AS numbers";
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
