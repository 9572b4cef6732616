//! The tables: newer, altered or half made, and rows that nobody of ours wrote.

use countersign_core::{
    client::{AllowedScope, AuthMethod, Authentication, Client, ClientStatus, ClientType, Party},
    grant_type::GrantType,
    names::{ClientId, Subject},
    resource_owner::ResourceOwners,
    store::{Clients, Grants, HandleHash, Keys, OwnerRegistry, Standing, StoreError},
    username::Username,
};
use countersign_sql::{OpenError, Sqlite};
use sha2::{Digest, Sha256};

use crate::support::{CODE, NOW, Place, code, grant, owner};

#[tokio::test]
async fn n8_a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.open().await);
    let tomorrow = "INSERT INTO oauth2_schema SELECT max(version) + 1, 'of tomorrow' FROM oauth2_schema";
    place.raw().execute(tomorrow, []).unwrap();
    let refused = Sqlite::open(&place.path).await.unwrap_err();
    let OpenError::NewerSchema { found, known } = refused else { panic!("{refused:?}") };
    assert_eq!(found, known + 1);
    let said = OpenError::NewerSchema { found, known }.to_string();
    assert!(said.contains(&format!("version {found}")) && said.contains(&format!("after {known}")), "{said}");
}

#[tokio::test]
async fn n8_an_altered_schema_is_refused() {
    let place = Place::new();
    drop(place.open().await);
    place.raw().execute("UPDATE oauth2_schema SET checksum = 'of another text'", []).unwrap();
    let refused = Sqlite::open(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::AlteredSchema { version: 1 }), "{refused:?}");
}

#[tokio::test]
async fn n8_a_step_that_fails_leaves_nothing_behind_and_runs_again() {
    let place = Place::new();
    // A table in the way stops the first step after it has made others.
    place.raw().execute_batch("CREATE TABLE oauth2_one_time (x)").unwrap();
    let refused = Sqlite::open(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::Database(_)), "{refused:?}");
    let tables = "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'";
    let left: String = place.raw().query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "oauth2_one_time", "the step was undone whole");
    place.raw().execute_batch("DROP TABLE oauth2_one_time").unwrap();
    let store = place.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
}

#[tokio::test]
async fn the_tables_live_beside_others() {
    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE items (name TEXT); INSERT INTO items VALUES ('theirs')").unwrap();
    let store = place.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'oauth2%' AND name NOT LIKE 'sqlite%'";
    let strangers: i64 = place.raw().query_row(ours, [], |row| row.get(0)).unwrap();
    assert_eq!(strangers, 1, "every table and index of ours has the prefix");
    let theirs: String = place.raw().query_row("SELECT name FROM items", [], |row| row.get(0)).unwrap();
    assert_eq!(theirs, "theirs");
}

#[tokio::test]
async fn clients_of_the_first_schema_stay() {
    let place = Place::new();
    let first = include_str!("../../migrations/sqlite/0001_first.sql");
    let checksum: String = Sha256::digest(first).iter().map(|byte| format!("{byte:02x}")).collect();
    let raw = place.raw();
    raw.execute_batch(first).unwrap();
    raw.execute_batch("CREATE TABLE oauth2_schema (version INTEGER NOT NULL PRIMARY KEY, checksum TEXT NOT NULL)")
        .unwrap();
    raw.execute("INSERT INTO oauth2_schema VALUES (1, $1)", [checksum]).unwrap();
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

#[tokio::test]
async fn rows_that_cannot_be_read_are_errors() {
    let place = Place::new();
    let store = place.open().await;
    let raw = place.raw();
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
        raw.execute(&format!("UPDATE oauth2_owners SET {set}"), []).unwrap();
        assert_corrupt(store.find_by_subject(&alice.subject).await, set);
        raw.execute(&format!("UPDATE oauth2_owners SET {fine}"), []).unwrap();
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
        "grant_types = 'canary'",
        "scope = ' canary'",
        "token_format = 'canary'",
        "status = 'canary'",
    ] {
        let client = Client::new(ClientId::new("app"), Authentication::None, NOW);
        store.remove_client(&client.id, NOW).await.unwrap();
        store.add_client(&client).await.unwrap();
        assert_eq!(store.find_client(&client.id).await.unwrap().as_ref(), Some(&client));
        let set = set.replace("{hash}", &hash).replace("{keys}", keys);
        raw.execute(&format!("UPDATE oauth2_clients SET {set}"), []).unwrap();
        assert_corrupt(store.find_client(&client.id).await, &set);
    }
    store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    raw.execute("UPDATE oauth2_grants SET scope = 'canary\t'", []).unwrap();
    assert_corrupt(store.find_grant(&grant("g").id).await, "a grant's scope");
    let key = "INSERT INTO oauth2_keys (id, algorithm, private_key, signs_from) VALUES ('k', 'canary', x'00', 0)";
    raw.execute(key, []).unwrap();
    assert_corrupt(store.find_keys().await, "a key's algorithm");
    raw.execute("UPDATE oauth2_keys SET algorithm = 'ES256', sealed = 2", []).unwrap();
    assert_corrupt(store.find_keys().await, "how a key rests");
}

#[tokio::test]
async fn a_status_that_cannot_be_read_records_no_grant() {
    let place = Place::new();
    let store = place.open().await;
    let alice = owner("alice");
    store.add_owner(&alice).await.unwrap();
    place.raw().execute("UPDATE oauth2_owners SET status = 'perhaps'", []).unwrap();
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

#[tokio::test]
async fn n9_values_are_never_sql() {
    let place = Place::new();
    let store = place.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
    for hostile in ["' OR '1'='1", "x'; DROP TABLE oauth2_owners; --", "$1", "\0", "%", "\u{202e}"] {
        assert_eq!(store.find_by_subject(&Subject::new(hostile)).await.unwrap(), None, "{hostile:?}");
        if let Ok(name) = Username::parse(hostile) {
            assert_eq!(store.find_by_username(&name).await.unwrap(), None, "{hostile:?}");
        }
        let mut bob = owner("bob");
        bob.full_name = Some(hostile.to_owned());
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
