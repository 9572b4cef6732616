//! Parts that several statements have in common: macros, so that each statement stays one text.

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

/// How the grants that have `$1` in a column end: the feed is told of those that `$told` chooses, their opaque tokens go, they go.
macro_rules! end_grants {
    ($column:literal $told:literal) => {
        [
            concat!(
                "INSERT INTO oauth2_feed (kind, name, until) \
                SELECT 'grant', id, access_until FROM oauth2_grants WHERE ",
                $column,
                " = $1",
                $told
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
