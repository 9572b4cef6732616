//! The tables: newer, altered or half made, and rows that nobody of ours wrote.

use countersign_core::{
    client::{AllowedScope, AuthMethod, Authentication, Client, ClientStatus, ClientType, Party},
    clock::Timestamp,
    grant_type::GrantType,
    jose::Algorithm,
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwners, Upgraded},
    store::{
        Added, Clients, Ended, Feed, Found, Grants, HandleHash, Keys, OwnerRegistry, RestingAlgorithm, RestingKey,
        Standing, StoreError,
    },
    username::Username,
};
use countersign_sql::{Database, OpenError, Schema, Sqlite};
use sha2::{Digest, Sha256};

use crate::support::{CODE, Home, NOW, Place, code, grant, grown, in_both_engines, later_step, owner};

async fn n8_a_newer_schema_is_refused(home: Home) {
    drop(home.open().await);
    let before = home.open().await.schema();
    home.run(&later_step("max(version)")).await;
    home.run(&later_step("max(version)")).await;
    // The one between welcomes programs of this version, the last one does not.
    for refused in [home.try_open().await, Database::open_to_look(&home.url()).await] {
        let refused = refused.unwrap_err();
        let said = refused.to_string();
        let OpenError::NewerSchema { found, known, oldest } = refused else { panic!("{refused:?}") };
        assert_eq!((found, known, oldest), (before.found + 2, before.known, before.found + 1));
        assert!(said.contains(&format!("version {found},")) && said.contains(&format!("after {known}:")), "{said}");
        assert!(said.contains(&format!("know version {oldest},")) && said.contains("use the newer program"), "{said}");
    }
}

async fn n8_a_newer_schema_that_welcomes_this_program_is_used_as_it_is(home: Home) {
    let before = home.open().await.schema();
    assert!(!before.is_newer());
    home.run(&grown(&home)).await;
    let steps = match home {
        Home::File(_) => "SELECT group_concat(version || checksum || welcomes) FROM oauth2_schema",
        Home::Cluster(_) => "SELECT string_agg(concat(version, checksum, welcomes), ',') FROM oauth2_schema",
    };
    let made = home.look(steps).await;
    for _ in 0..2 {
        let store = home.open().await;
        assert_eq!(store.schema(), Schema { found: before.found + 1, ..before });
        assert!(store.schema().is_newer());
        let alice = owner("alice");
        store.remove_owner(&alice.subject, NOW).await.unwrap();
        assert_eq!(store.add_owner(&alice).await.unwrap(), Added::Yes);
        let looking = Database::open_to_look(&home.url()).await.unwrap();
        assert_eq!(looking.schema(), store.schema());
        assert_eq!(looking.list_owners(None, 9).await.unwrap(), [alice]);
    }
    assert_eq!(home.look(steps).await, made, "nothing is made, and nothing recorded");
}

async fn n8_an_altered_schema_is_refused(home: Home) {
    drop(home.open().await);
    home.run("UPDATE oauth2_schema SET checksum = 'of another text'").await;
    let refused = home.try_open().await.unwrap_err();
    assert!(matches!(refused, OpenError::AlteredSchema { version: 1 }), "{refused:?}");
}

async fn n8_a_step_that_fails_leaves_nothing_behind_and_runs_again(home: Home) {
    // A table in the way stops the first step after it has made others.
    home.run("CREATE TABLE oauth2_one_time (x TEXT)").await;
    let refused = home.try_open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Database(_)), "{refused:?}");
    let left = home.look(match home {
        Home::File(_) => "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'",
        Home::Cluster(_) => "SELECT string_agg(tablename::text, ',') FROM pg_tables WHERE schemaname = 'public'",
    });
    let left = left.await;
    assert_eq!(left, "oauth2_one_time", "the step was undone whole");
    home.run("DROP TABLE oauth2_one_time").await;
    let store = home.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
}

async fn the_tables_live_beside_others(home: Home) {
    home.run("CREATE TABLE items (name TEXT); INSERT INTO items VALUES ('theirs')").await;
    let store = home.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
    let strangers = home.look(match home {
        Home::File(_) => {
            "SELECT group_concat(name) FROM sqlite_schema WHERE name NOT LIKE 'oauth2%' AND name NOT LIKE 'sqlite%'"
        }
        Home::Cluster(_) => {
            "SELECT string_agg(relname::text, ',') FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
            WHERE nspname = 'public' AND relname NOT LIKE 'oauth2%'"
        }
    });
    assert_eq!(strangers.await, "items", "every table and index of ours has the prefix");
    assert_eq!(home.look("SELECT name FROM items").await, "theirs");
}

async fn no_two_indexes_of_a_table_have_the_same_columns(home: Home) {
    drop(home.open().await);
    let twice = home.look(match home {
        Home::File(_) => {
            "SELECT coalesce(group_concat(names), '') FROM (SELECT group_concat(name) AS names FROM \
            (SELECT t.name AS of, i.name AS name, (SELECT group_concat(coalesce(name, '')) FROM pragma_index_info(i.name)) AS columns \
            FROM sqlite_schema t, pragma_index_list(t.name) i WHERE t.type = 'table') \
            GROUP BY of, columns HAVING count(*) > 1)"
        }
        Home::Cluster(_) => {
            "SELECT coalesce(string_agg(names, ','), '') FROM (SELECT string_agg(indexrelid::regclass::text, ',') AS names \
            FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relname LIKE 'oauth2%' \
            GROUP BY indrelid, indkey::text HAVING count(*) > 1) AS twice"
        }
    });
    assert_eq!(twice.await, "");
}

in_both_engines! {
    n8_a_newer_schema_is_refused
    n8_a_newer_schema_that_welcomes_this_program_is_used_as_it_is
    n8_an_altered_schema_is_refused
    no_two_indexes_of_a_table_have_the_same_columns
    the_tables_live_beside_others
    n8_a_step_that_fails_leaves_nothing_behind_and_runs_again
    rows_that_cannot_be_read_are_errors
    n8_what_only_a_newer_program_knows_is_told_from_what_cannot_be_read
    a_status_that_cannot_be_read_records_no_grant
    n9_values_are_never_sql
}

/// Every table of ours, with its columns.
async fn columns(home: &Home) -> String {
    drop(home.open().await);
    let columns = home.look(match home {
        Home::File(_) => {
            "SELECT group_concat(of_one, ' ') FROM (SELECT m.name || '.' || c.name AS of_one \
            FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
            WHERE m.type = 'table' AND m.name LIKE 'oauth2%' ORDER BY 1)"
        }
        Home::Cluster(_) => {
            "SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY (table_name || '.' || column_name) \
            COLLATE \"C\") FROM information_schema.columns \
            WHERE table_schema = 'public' AND table_name NOT IN \
            ('oauth2_locks', 'oauth2_attempts', 'oauth2_known_pairs')"
        }
    });
    columns.await
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let of_file = columns(&Home::file()).await;
    assert!(of_file.contains("oauth2_grants.refresh_current"), "{of_file}");
    assert_eq!(columns(&Home::database().await).await, of_file);
}

#[tokio::test]
async fn clients_of_the_first_schema_stay() {
    let place = Place::new();
    let first = include_str!("../../migrations/sqlite/0001_first.sql");
    let checksum: String = Sha256::digest(first).iter().map(|byte| format!("{byte:02x}")).collect();
    let raw = place.raw();
    raw.execute_batch(first).unwrap();
    raw.execute_batch(
        "CREATE TABLE oauth2_schema (version INTEGER NOT NULL PRIMARY KEY, checksum TEXT, welcomes INTEGER)",
    )
    .unwrap();
    raw.execute("INSERT INTO oauth2_schema VALUES (1, $1, 1)", [checksum]).unwrap();
    raw.execute_batch(&format!(
        "INSERT INTO oauth2_clients VALUES ('page', 'public', '', 'first', 'password', NULL), \
        ('app', 'confidential', '{0} {0}', 'third', '', 'me')",
        "0".repeat(64)
    ))
    .unwrap();
    let store = place.open().await;
    let page = store.find_client(&ClientId::new("page")).await.unwrap().unwrap();
    assert_eq!((page.client_type(), page.party, page.status), (ClientType::Public, Party::First, ClientStatus::Active));
    assert_eq!((page.grant_types, page.scope), (vec![GrantType::Password], AllowedScope::Any));
    let app = store.find_client(&ClientId::new("app")).await.unwrap().unwrap();
    assert_eq!(app.authentication.methods(), [AuthMethod::Basic, AuthMethod::Post]);
    let Authentication::Secret { secrets, .. } = app.authentication else { panic!("{app:?}") };
    assert_eq!((secrets.iter().count(), app.scope), (2, AllowedScope::Only("me".parse().unwrap())));
}

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>, changed: &str) {
    let Err(StoreError::Corrupt(cause)) = result else { panic!("{changed}: {result:?}") };
    let said = format!("{cause} {cause:?}");
    assert!(said.contains("column") && !said.contains("canary"), "{changed}: {said}");
}

async fn rows_that_cannot_be_read_are_errors(home: Home) {
    let store = home.open().await;
    let hash = "0".repeat(64);
    for (set, fine) in [
        ("username = 'CANARY'", "username = 'canary'"),
        ("username = ''", "username = 'canary'"),
        ("scope = 'canary  \"'", "scope = 'me'"),
        ("status = 'canary'", "status = 'active'"),
    ] {
        let alice = owner("canary");
        store.remove_owner(&alice.subject, NOW).await.unwrap();
        store.add_owner(&alice).await.unwrap();
        home.run(&format!("UPDATE oauth2_owners SET {set}")).await;
        assert_corrupt(store.find_by_subject(&alice.subject).await, set);
        home.run(&format!("UPDATE oauth2_owners SET {fine}")).await;
        assert_eq!(store.find_by_subject(&alice.subject).await.unwrap(), Some(alice));
    }
    let keys = r#"'{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'"#;
    for set in [
        "auth_methods = 'canary'",
        "auth_methods = ''",
        "auth_methods = 'none client_secret_basic'",
        "auth_methods = 'client_secret_basic'",
        "auth_methods = 'private_key_jwt'",
        "auth_methods = 'client_secret_basic', secrets = 'canary'",
        "auth_methods = 'client_secret_basic', secrets = '{hash}:canary'",
        "auth_methods = 'client_secret_basic', secrets = '{hash} {hash} {hash} {hash} {hash}'",
        "auth_methods = 'client_secret_basic', secrets = '{hash}', jwks = {keys}",
        "auth_methods = 'private_key_jwt', secrets = '{hash}', jwks = {keys}",
        "auth_methods = 'private_key_jwt', jwks = '{\"keys\":[]}'",
        "auth_methods = 'private_key_jwt', jwks = 'canary'",
        "jwks = {keys}",
        "secrets = '{hash}'",
        "party = 'canary'",
        "scope = ' canary'",
        "token_format = 'canary'",
        "status = 'canary'",
    ] {
        let client = Client::new(ClientId::new("app"), Authentication::None, NOW);
        store.remove_client(&client.id, NOW).await.unwrap();
        store.add_client(&client).await.unwrap();
        assert_eq!(store.find_client(&client.id).await.unwrap().as_ref(), Some(&client));
        let set = set.replace("{hash}", &hash).replace("{keys}", keys);
        home.run(&format!("UPDATE oauth2_clients SET {set}")).await;
        assert_corrupt(store.find_client(&client.id).await, &set);
    }
    store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    home.run("UPDATE oauth2_grants SET scope = 'canary\t'").await;
    assert_corrupt(store.find_grant(&grant("g").id).await, "a grant's scope");
}

async fn n8_what_only_a_newer_program_knows_is_told_from_what_cannot_be_read(home: Home) {
    let store = home.open().await;
    let byte = match home {
        Home::File(_) => "x'00'",
        Home::Cluster(_) => "'\\x00'",
    };
    let columns = "id, algorithm, private_key, signs_from";
    home.run(&format!("INSERT INTO oauth2_keys ({columns}) VALUES ('k', 'canary', {byte}, 0)")).await;
    let [key] = store.find_keys().await.unwrap().try_into().unwrap();
    assert_eq!(key.algorithm, RestingAlgorithm::Other("canary".to_owned()));
    home.run("UPDATE oauth2_keys SET algorithm = 'ES256', sealed = 2").await;
    let [key] = store.find_keys().await.unwrap().try_into().unwrap();
    assert_eq!((key.algorithm, key.private_key), (Algorithm::Es256.into(), RestingKey::Other));
    let client = Client {
        grant_types: vec![GrantType::RefreshToken],
        ..Client::new(ClientId::new("app"), Authentication::None, NOW)
    };
    store.add_client(&client).await.unwrap();
    home.run("UPDATE oauth2_clients SET grant_types = 'canary refresh_token'").await;
    assert_eq!(store.find_client(&client.id).await.unwrap(), Some(client), "it may what is known, and nothing else");
    for (kind, issued_until) in [("canary", "NULL"), ("canary", "7"), ("key", "NULL")] {
        let entry = format!(
            "INSERT INTO oauth2_feed (kind, name, issued_until, until) VALUES ('{kind}', 'x', {issued_until}, 9)"
        );
        home.run(&entry).await;
    }
    let ended: Vec<_> = store.find_feed(0, 9).await.unwrap().into_iter().map(|entry| entry.ended).collect();
    let issued_until = Timestamp::from_seconds(7);
    assert_eq!(ended, [Ended::Other(None), Ended::Other(Some(issued_until)), Ended::Key(KeyId::new("x"))]);
    home.run("UPDATE oauth2_feed SET kind = 'client'").await;
    assert_corrupt(store.find_feed(0, 9).await, "until when a client's tokens were issued");
}

async fn a_status_that_cannot_be_read_records_no_grant(home: Home) {
    let store = home.open().await;
    let alice = owner("alice");
    store.add_owner(&alice).await.unwrap();
    home.run("UPDATE oauth2_owners SET status = 'perhaps'").await;
    let grant = countersign_core::grant_record::Grant { subject: alice.subject, ..grant("g") };
    assert_eq!(
        store.redeem(&Standing::Active, None, &grant, None).await.unwrap(),
        countersign_core::store::Redeemed::OwnerChanged
    );
}

#[tokio::test]
async fn a_damaged_file_is_an_error() {
    let place = Place::new();
    drop(place.open().await);
    let mut bytes = std::fs::read(&place.path).unwrap();
    // Everything after the first page, which has the names of the tables.
    bytes[4096..].fill(0xEE);
    std::fs::write(&place.path, bytes).unwrap();
    let refused = match Sqlite::open(&place.path).await {
        Err(OpenError::Database(_)) => return,
        Err(other) => panic!("{other:?}"),
        Ok(store) => store.find_by_subject(&Subject::new("x")).await,
    };
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

async fn n9_values_are_never_sql(home: Home) {
    let store = home.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
    for hostile in ["' OR '1'='1", "x'; DROP TABLE oauth2_owners; --", "$1", "\0", "%", "\u{202e}"] {
        assert_eq!(store.find_by_subject(&Subject::new(hostile)).await.unwrap(), None, "{hostile:?}");
        let (subject, new) = (Subject::new(hostile), PasswordHash::new("new"));
        for status in [OwnerStatus::Active, OwnerStatus::Disabled] {
            assert_eq!(store.set_status(&subject, status, NOW).await.unwrap(), Found::No, "{hostile:?}");
        }
        assert_eq!(store.set_password(&subject, &new, NOW).await.unwrap(), Found::No, "{hostile:?}");
        assert_eq!(store.change_password(&subject, &new, &new, NOW).await.unwrap(), Found::No, "{hostile:?}");
        assert_eq!(store.upgrade_password(&subject, &new, &new).await.unwrap(), Upgraded::No, "{hostile:?}");
        assert_eq!(store.remove_owner(&subject, NOW).await.unwrap(), Found::No, "{hostile:?}");
        assert_eq!(store.revoke_grants_of(&subject, NOW).await.unwrap(), 0, "{hostile:?}");
        assert_eq!(store.revoke_grant(&GrantId::new(hostile)).await.unwrap(), Found::No, "{hostile:?}");
        assert_eq!(store.withdraw_key(&KeyId::new(hostile), NOW, NOW).await.unwrap(), Found::No, "{hostile:?}");
        if let Ok(name) = Username::parse(hostile) {
            assert_eq!(store.find_by_username(&name).await.unwrap(), None, "{hostile:?}");
        }
        let mut bob = owner("bob");
        bob.full_name = Some(hostile.to_owned());
        if matches!(home, Home::Cluster(_)) && hostile == "\0" {
            let refused = store.add_owner(&bob).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "PostgreSQL keeps no such text: {refused:?}");
            continue;
        }
        store.add_owner(&bob).await.unwrap();
        assert_eq!(store.find_by_subject(&bob.subject).await.unwrap().as_ref(), Some(&bob));
        store.remove_owner(&bob.subject, NOW).await.unwrap();
    }
    assert_eq!(store.list_owners(None, 9).await.unwrap(), [owner("alice")]);
}

#[tokio::test]
async fn e12_no_handle_rests_in_plain() {
    let place = Place::new();
    let store = place.open().await;
    store.put_one_time(&code("canary of a code")).await.unwrap();
    assert!(store.find_one_time(CODE, &HandleHash::of("canary of a code"), NOW).await.unwrap().is_some());
    for entry in std::fs::read_dir(place.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "{}", path.display());
    }
}
