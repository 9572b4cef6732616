//! Moving from one database to another: refused where it would mix, whole or not at all, and the same afterwards.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_core::{
    client::{AllowedScope, Authentication, Client, Party},
    grant_record::Grant,
    grant_type::GrantType,
    jose::Algorithm,
    names::{Audience, ClientId, KeyId},
    store::{
        Clients as _, Ended, Feed as _, Grants as _, HandleHash, KeyRecord, Keys as _, OpaqueToken, Origin,
        OwnerRegistry as _, PrivateKey, Redeemed, Remembered, SealedKey, Standing, StoreError, Succession,
    },
    token_format::TokenFormat,
};
use countersign_sql::{BackupError, Database, MigrateError, Migrated, OpenError, Step, migrate};

use crate::{
    cluster,
    support::{CODE, Home, NOW, Place, code, grant, in_both_engines, later_step, owner, spend},
};

/// More than are in memory at a time, twice.
const MANY: usize = 2_100;

async fn move_to(from: &Home, to: &Home) -> Result<Migrated, MigrateError> {
    migrate(&from.url(), &to.url(), |_| {}).await
}

/// One of the other engine.
async fn opposite(home: &Home) -> Home {
    match home {
        Home::File(_) => Home::database().await,
        Home::Cluster(_) => Home::file(),
    }
}

/// Some bytes as this engine's SQL has them.
fn bytes(home: &Home, hex: &str) -> String {
    match home {
        Home::File(_) => format!("x'{hex}'"),
        Home::Cluster(_) => format!("'\\x{hex}'"),
    }
}

fn key(id: &str, algorithm: Algorithm) -> KeyRecord {
    KeyRecord {
        id: KeyId::new(id),
        algorithm: algorithm.into(),
        private_key: PrivateKey::from_pkcs8(id.as_bytes()).into(),
        signs_from: NOW,
        verifies_until: None,
        withdrawn_at: None,
    }
}

fn opaque(handle: &str, descends_from: Origin) -> OpaqueToken {
    OpaqueToken {
        handle: HandleHash::of(handle),
        descends_from,
        claims: r#"{"sub":"ä"}"#.to_owned(),
        expires_at: NOW.plus(Duration::from_secs(900)),
    }
}

fn client() -> Client {
    let mut client = Client::new(ClientId::new("app"), Authentication::None, NOW);
    client.name = Some("Åpp 🎉".to_owned());
    client.party = Party::First;
    client.grant_types = vec![GrantType::Password];
    client.scope = AllowedScope::Any;
    client.audience = vec![Audience::new("https://one.example"), Audience::new("https://two.example")];
    client.serves = vec![Audience::new("https://api.example")];
    client.token_format = Some(TokenFormat::Opaque);
    client
}

/// Something in every table and every column.
async fn fill(home: &Home) {
    let store = home.open().await;
    let mut bob = owner("bob");
    (bob.full_name, bob.email) = (Some("Bób \u{202e} 'x'; --".to_owned()), Some("bob@example.com".to_owned()));
    let mut carol = owner("çarol");
    carol.password_hash = None;
    for owner in [owner("alice"), bob, carol] {
        store.add_owner(&owner).await.unwrap();
    }
    store.add_client(&client()).await.unwrap();
    for (id, algorithm) in [("first", Algorithm::Es256), ("second", Algorithm::EdDsa), ("third", Algorithm::Rs256)] {
        store.put_first_key(&key(id, algorithm)).await.unwrap();
    }
    store.seal_key(&KeyId::new("second"), &SealedKey::from_bytes(vec![7; 60])).await.unwrap();
    store.withdraw_key(&KeyId::new("third"), NOW, NOW.plus(Duration::from_secs(60))).await.unwrap();
    let of_alice = Grant { subject: owner("alice").subject, ..grant("of alice") };
    let token = opaque("of a grant", Origin::Grant(of_alice.id.clone()));
    store.redeem(&Standing::Active, None, &of_alice, Some(&token)).await.unwrap();
    store.put_opaque_token(&opaque("of a client", Origin::Client(ClientId::new("app")))).await.unwrap();
    store.put_one_time(&code("spent")).await.unwrap();
    store.put_one_time(&code("not spent")).await.unwrap();
    let spent = store.redeem(&Standing::Elsewhere, Some(&spend("spent")), &grant("of a code"), None).await.unwrap();
    assert!(matches!(spent, Redeemed::Whole), "{spent:?}");
    store.remember_once(CODE, &HandleHash::of("remembered"), NOW.plus(Duration::from_secs(60)), NOW).await.unwrap();
    store.append_feed(&Ended::Client(ClientId::new("gone"), NOW), NOW.plus(Duration::from_secs(60))).await.unwrap();
    drop(store);
    let many = (0..MANY).map(|i| format!("('grant {i:05}', 's {i}', 'app', 'a b', 1, {i}, 3, 4)")).collect::<Vec<_>>();
    home.run(&format!(
        "INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) VALUES {}",
        many.join(", ")
    ))
    .await;
    let many = (0..MANY)
        .map(|i| format!("('many {}', {}, {i}, '')", i % 2, bytes(home, &format!("{i:08x}"))))
        .collect::<Vec<_>>();
    home.run(&format!("INSERT INTO oauth2_one_time (kind, handle, expires_at, payload) VALUES {}", many.join(", ")))
        .await;
    home.run(&format!(
        "UPDATE oauth2_grants SET refresh_family = {}, refresh_current = {}, refresh_expires_at = 9, retired = {}, \
        retired_at = 8 WHERE id = 'grant 00007'",
        bytes(home, "00ff"),
        bytes(home, "01"),
        bytes(home, "00")
    ))
    .await;
}

const TABLES: [&str; 7] = [
    "oauth2_owners",
    "oauth2_clients",
    "oauth2_keys",
    "oauth2_grants",
    "oauth2_opaque_tokens",
    "oauth2_one_time",
    "oauth2_feed",
];

/// All rows as the engine itself writes them.
async fn dump(home: &Home) -> String {
    let mut all = String::new();
    for table in TABLES {
        let rows = match home {
            Home::File(place) => {
                let raw = place.raw();
                let mut statement = raw.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
                let columns = statement.column_count();
                let rows = statement.query_map([], |row| {
                    let values = (0..columns).map(|i| row.get_ref(i).map(|value| format!("{value:?}")));
                    values.collect::<Result<Vec<_>, _>>()
                });
                rows.unwrap().map(|row| row.unwrap().join("|")).collect::<Vec<_>>().join("\n")
            }
            Home::Cluster(_) => {
                home.look(&format!("SELECT COALESCE(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t"))
                    .await
            }
        };
        all.push_str(&format!("{table}\n{rows}\n"));
    }
    all
}

async fn is_empty(home: &Home) -> bool {
    let counts = TABLES.map(|table| format!("(SELECT count(*) FROM {table})")).join(" + ");
    home.look(&format!("SELECT CAST({counts} AS TEXT)")).await == "0"
}

async fn all_arrives_as_it_was_there_and_back(home: Home) {
    fill(&home).await;
    let (there, back) = (opposite(&home).await, home.another().await);
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let moved = migrate(&home.url(), &there.url(), move |progress| seen.lock().unwrap().push(progress)).await.unwrap();
    let rows: Vec<_> = moved.tables.iter().map(|table| (table.table, table.rows)).collect();
    let expected = [3, 1, 3, MANY as u64 + 2, 2, MANY as u64 + 3, 2];
    assert_eq!(rows, TABLES.into_iter().zip(expected).collect::<Vec<_>>());
    let steps = steps.lock().unwrap().clone();
    for step in [Step::Copy, Step::Compare] {
        let of_grants = steps.iter().rfind(|done| done.step == step && done.table == "oauth2_grants").unwrap();
        assert_eq!((of_grants.rows, of_grants.of), (MANY as u64 + 2, MANY as u64 + 2));
    }
    let again = move_to(&there, &back).await.unwrap();
    assert_eq!(again, moved);
    assert_eq!(dump(&back).await, dump(&home).await);
    let (before, after) = (home.open().await, there.open().await);
    assert_eq!(after.list_owners(None, 9).await.unwrap(), before.list_owners(None, 9).await.unwrap());
    assert_eq!(after.list_clients(None, 9).await.unwrap(), [client()]);
    assert_eq!(after.find_keys().await.unwrap(), before.find_keys().await.unwrap());
    assert_eq!(after.find_feed(0, 9).await.unwrap(), before.find_feed(0, 9).await.unwrap());
    for handle in ["of a grant", "of a client"] {
        let found = after.find_opaque_token(&HandleHash::of(handle)).await.unwrap();
        assert!(found.is_some() && found == before.find_opaque_token(&HandleHash::of(handle)).await.unwrap());
    }
    let remembered =
        after.remember_once(CODE, &HandleHash::of("remembered"), NOW.plus(Duration::from_secs(9)), NOW).await;
    assert_eq!(remembered.unwrap(), Remembered::Again);
    let spent = after.redeem(&Standing::Elsewhere, Some(&spend("spent")), &grant("again"), None).await.unwrap();
    assert!(!matches!(spent, Redeemed::Whole), "{spent:?}");
    let first = after.redeem(&Standing::Elsewhere, Some(&spend("not spent")), &grant("again"), None).await.unwrap();
    assert!(matches!(first, Redeemed::Whole), "{first:?}");
}

async fn numbers_go_on_above_those_that_are_gone(home: Home) {
    let store = home.open().await;
    for token in ["1", "2", "3"] {
        store.append_feed(&Ended::Token(token.to_owned()), NOW).await.unwrap();
    }
    store.put_first_key(&key("first", Algorithm::Es256)).await.unwrap();
    drop(store);
    home.run("DELETE FROM oauth2_feed WHERE number > 1").await;
    for target in [opposite(&home).await, home.another().await] {
        assert_eq!(move_to(&home, &target).await.unwrap().feed_number, 3);
        let store = target.open().await;
        store.append_feed(&Ended::Token("4".to_owned()), NOW).await.unwrap();
        let numbers: Vec<_> = store.find_feed(0, 9).await.unwrap().iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 4]);
        let succession = Succession {
            after: KeyId::new("first"),
            next: key("next", Algorithm::Es256),
            signing: Some(KeyId::new("first")),
            retired_until: NOW.plus(Duration::from_secs(60)),
            abandoned_before: NOW,
        };
        let keys = store.put_next_key(&succession).await.unwrap();
        assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["first", "next"]);
    }
}

/// The number that the feed gives next.
async fn next_number(home: &Home) -> u64 {
    let store = home.open().await;
    store.append_feed(&Ended::Token("next".to_owned()), NOW).await.unwrap();
    store.find_feed(0, 9).await.unwrap().last().unwrap().number
}

async fn no_number_of_either_is_given_again(home: Home) {
    let store = home.open().await;
    for token in ["1", "2", "3"] {
        store.append_feed(&Ended::Token(token.to_owned()), NOW).await.unwrap();
    }
    drop(store);
    home.run("DELETE FROM oauth2_feed").await;
    for fresh in [opposite(&home).await, home.another().await] {
        move_to(&home, &fresh).await.unwrap();
        assert_eq!(next_number(&fresh).await, 4);
    }
    let used = opposite(&home).await;
    for _ in 0..5 {
        next_number(&used).await;
    }
    used.run("DELETE FROM oauth2_feed").await;
    move_to(&home, &used).await.unwrap();
    assert_eq!(next_number(&used).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_the_sequence_does_not_know_are_not_given_again() {
    let from = Home::database().await;
    drop(from.open().await);
    for (number, last) in [(500, 500), (400, 500)] {
        from.run(&format!("INSERT INTO oauth2_feed (number, kind, name, until) VALUES ({number}, 'token', 't', 1)"))
            .await;
        assert_eq!(move_to(&from, &Home::file()).await.unwrap().feed_number, last);
    }
    let to = Home::database().await;
    move_to(&from, &to).await.unwrap();
    assert_eq!(next_number(&to).await, 501);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_know_the_last_number_moves_nothing() {
    let from = Home::database().await;
    let store = from.open().await;
    store.append_feed(&Ended::Token("t".to_owned()), NOW).await.unwrap();
    from.run(
        "CREATE ROLE only_reads LOGIN PASSWORD 'secret'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads",
    )
    .await;
    let url = from.url();
    let (_, place) = url.split_once('@').unwrap();
    let (reader, to) = (Home::Cluster(format!("postgres://only_reads:secret@{place}")), Home::file());
    for told in [1, 0] {
        let refused = move_to(&reader, &to).await.unwrap_err();
        let MigrateError::Store(StoreError::Unavailable(cause)) = refused else { panic!("{refused:?}") };
        assert!(cause.to_string().contains("the privilege"), "{cause}");
        assert_eq!(store.find_feed(0, 9).await.unwrap().len(), told, "whether there are entries or not");
        from.run("DELETE FROM oauth2_feed").await;
    }
    for right in ["USAGE", "SELECT"] {
        let to = Home::file();
        from.run(&format!(
            "REVOKE ALL ON SEQUENCE oauth2_feed_number_seq FROM only_reads; \
            GRANT {right} ON SEQUENCE oauth2_feed_number_seq TO only_reads"
        ))
        .await;
        assert_eq!(move_to(&reader, &to).await.unwrap().feed_number, 1, "{right}");
    }
    drop(store);
    from.run("DROP OWNED BY only_reads; DROP ROLE only_reads").await;
}

async fn where_nothing_is_nothing_is_moved_and_numbers_begin_at_one(home: Home) {
    drop(home.open().await);
    let target = opposite(&home).await;
    let moved = move_to(&home, &target).await.unwrap();
    assert_eq!((moved.tables.iter().map(|table| table.rows).sum::<u64>(), moved.feed_number), (0, 0));
    let store = target.open().await;
    store.append_feed(&Ended::Token("1".to_owned()), NOW).await.unwrap();
    assert_eq!(store.find_feed(0, 9).await.unwrap()[0].number, 1);
}

async fn a_target_that_has_anything_is_refused(target: Home) {
    drop(target.open().await);
    let source = opposite(&target).await;
    fill(&source).await;
    let byte = bytes(&target, "00");
    for (table, row) in [
        ("oauth2_owners", "(subject, username, scope, status) VALUES ('s', 'u', '', 'active')".to_owned()),
        (
            "oauth2_clients",
            "(id, auth_methods, secrets, party, grant_types, audience, status, created_at) \
            VALUES ('c', 'none', '', 'first', '', '', 'active', 0)"
                .to_owned(),
        ),
        ("oauth2_keys", format!("(id, algorithm, private_key, signs_from) VALUES ('k', 'ES256', {byte}, 0)")),
        (
            "oauth2_grants",
            "(id, subject, client_id, scope, created_at, expires_at, used_at, access_until) \
            VALUES ('g', 's', 'c', '', 0, 0, 0, 0)"
                .to_owned(),
        ),
        ("oauth2_opaque_tokens", format!("(handle, claims, expires_at) VALUES ({byte}, '', 0)")),
        ("oauth2_one_time", format!("(kind, handle, expires_at, payload) VALUES ('k', {byte}, 0, '')")),
        ("oauth2_feed", "(kind, name, until) VALUES ('token', 't', 0)".to_owned()),
    ] {
        target.run(&format!("INSERT INTO {table} {row}")).await;
        let before = dump(&target).await;
        let refused = move_to(&source, &target).await.unwrap_err();
        assert!(matches!(refused, MigrateError::NotEmpty { table: found } if found == table), "{refused:?}");
        assert_eq!(dump(&target).await, before);
        target.run(&format!("DELETE FROM {table}")).await;
    }
    move_to(&source, &target).await.unwrap();
}

async fn the_same_database_is_refused(home: Home) {
    fill(&home).await;
    let before = dump(&home).await;
    let mut names = vec![home.url()];
    match &home {
        Home::File(place) => {
            let folder = place.dir.path();
            names.push(format!("sqlite://{}/../{}/app.db", folder.display(), folder.file_name().unwrap().display()));
        }
        Home::Cluster(url) => names.push(format!("{url}&application_name=other")),
    }
    for name in names {
        let refused = migrate(&home.url(), &name, |_| {}).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Same), "{name}: {refused:?}");
    }
    assert_eq!(dump(&home).await, before);
}

async fn n8_a_source_that_is_missing_older_or_newer_is_refused(target: Home) {
    drop(target.open().await);
    let source = opposite(&target).await;
    let refused = move_to(&source, &target).await.unwrap_err();
    let is_missing =
        matches!(refused, MigrateError::Open(OpenError::Missing { .. } | OpenError::OlderSchema { missing: 1 }));
    assert!(is_missing, "{refused:?}");
    fill(&source).await;
    source.run(&later_step("max(version) + 1")).await;
    let refused = move_to(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Open(OpenError::NewerSchema { .. })), "{refused:?}");
    let made = "DELETE FROM oauth2_schema WHERE checksum = 'of tomorrow'";
    source.run(made).await;
    // What this program works beside it does not know, and would leave behind.
    source.run(&later_step("max(version)")).await;
    let refused = move_to(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Open(OpenError::UnlikeSchema { .. })), "{refused:?}");
    source.run(made).await;
    target.run(&later_step("max(version)")).await;
    let refused = move_to(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Open(OpenError::UnlikeSchema { .. })), "{refused:?}");
    target.run(made).await;
    source.run("DELETE FROM oauth2_schema WHERE version > 1").await;
    let refused = move_to(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Open(OpenError::OlderSchema { missing: 2 })), "{refused:?}");
    assert!(is_empty(&target).await);
}

/// What makes the target fail, or be untrue, at the last grant.
fn fault(home: &Home, does: &str) -> String {
    match home {
        Home::File(_) => {
            let does = match does {
                "fail" => "SELECT RAISE(ABORT, 'on purpose')",
                _ => "UPDATE oauth2_grants SET scope = 'another' WHERE id = NEW.id",
            };
            format!("CREATE TRIGGER fault AFTER INSERT ON oauth2_grants WHEN NEW.id = 'of alice' BEGIN {does}; END")
        }
        Home::Cluster(_) => {
            let does = match does {
                "fail" => "RAISE 'on purpose'",
                _ => "UPDATE oauth2_grants SET scope = 'another' WHERE id = NEW.id",
            };
            format!(
                "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 'of alice' THEN \
                {does}; END IF; RETURN NULL; END $$; \
                CREATE TRIGGER fault AFTER INSERT ON oauth2_grants FOR EACH ROW EXECUTE FUNCTION fault()"
            )
        }
    }
}

async fn n1_a_fault_in_the_middle_leaves_nothing_behind(target: Home) {
    drop(target.open().await);
    let source = opposite(&target).await;
    fill(&source).await;
    target.run(&fault(&target, "fail")).await;
    let refused = move_to(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Table { table: "oauth2_grants", .. }), "{refused:?}");
    assert!(is_empty(&target).await);
    target
        .run(match target {
            Home::File(_) => "DROP TRIGGER fault",
            Home::Cluster(_) => "DROP TRIGGER fault ON oauth2_grants",
        })
        .await;
    move_to(&source, &target).await.unwrap();
}

async fn what_arrives_otherwise_is_not_kept(target: Home) {
    drop(target.open().await);
    let source = opposite(&target).await;
    fill(&source).await;
    target.run(&fault(&target, "lie")).await;
    let refused = move_to(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Differs { table: "oauth2_grants", .. }), "{refused:?}");
    assert!(is_empty(&target).await);
}

async fn of_two_at_once_into_one_place_one_wins(target: Home) {
    if matches!(target, Home::Cluster(_)) {
        drop(target.open().await);
    }
    let sources = [opposite(&target).await, opposite(&target).await];
    for (source, name) in sources.iter().zip(["dora", "emil"]) {
        fill(source).await;
        source.open().await.add_owner(&owner(name)).await.unwrap();
    }
    let (one, other) = tokio::join!(move_to(&sources[0], &target), move_to(&sources[1], &target));
    let (won, lost, name) = match (one, other) {
        (Ok(won), Err(lost)) => (won, lost, "dora"),
        (Err(lost), Ok(won)) => (won, lost, "emil"),
        both => panic!("{both:?}"),
    };
    let is_told = matches!(
        &lost,
        MigrateError::NotEmpty { .. }
            | MigrateError::InUse
            | MigrateError::File(
                BackupError::Unfinished { .. } | BackupError::Exists { .. } | BackupError::InUse { .. }
            )
    );
    assert!(is_told, "{lost:?}");
    assert_eq!(won.tables[0].rows, 4);
    let owners = target.open().await.list_owners(None, 9).await.unwrap();
    assert!(owners.len() == 4 && owners.iter().any(|found| *found == owner(name)), "{owners:?}");
}

in_both_engines! {
    all_arrives_as_it_was_there_and_back
    numbers_go_on_above_those_that_are_gone
    no_number_of_either_is_given_again
    where_nothing_is_nothing_is_moved_and_numbers_begin_at_one
    a_target_that_has_anything_is_refused
    the_same_database_is_refused
    n8_a_source_that_is_missing_older_or_newer_is_refused
    n1_a_fault_in_the_middle_leaves_nothing_behind
    what_arrives_otherwise_is_not_kept
    of_two_at_once_into_one_place_one_wins
}

#[tokio::test]
async fn what_postgresql_cannot_keep_is_named_and_nothing_is_changed() {
    let (file, server) = (Home::file(), Home::database().await);
    fill(&file).await;
    file.run("UPDATE oauth2_owners SET full_name = 'canary' || char(0) WHERE username = 'bob'").await;
    let refused = move_to(&file, &server).await.unwrap_err();
    let MigrateError::CannotBeKept { table, column, key } = &refused else { panic!("{refused:?}") };
    assert_eq!((*table, *column, key.as_str()), ("oauth2_owners", "full_name", "\"subject of bob\""));
    assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused}");
    assert!(is_empty(&server).await);
    let other = file.another().await;
    move_to(&file, &other).await.unwrap();
    assert_eq!(dump(&other).await, dump(&file).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_server_one_moment_is_moved_whoever_still_writes() {
    let (source, target) = (Home::database().await, Home::file());
    fill(&source).await;
    let before = dump(&source).await;
    let writer = cluster::connect(&source.url()).await;
    let runtime = tokio::runtime::Handle::current();
    migrate(&source.url(), &target.url(), move |_| {
        let writes = "INSERT INTO oauth2_feed (kind, name, until) VALUES ('token', 'late', 0); \
            UPDATE oauth2_grants SET scope = 'late'";
        runtime.block_on(writer.batch_execute(writes)).unwrap();
    })
    .await
    .unwrap();
    let back = Home::database().await;
    move_to(&target, &back).await.unwrap();
    assert_eq!(dump(&back).await, before);
    assert_ne!(dump(&source).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_use_is_neither_moved_nor_written_into() {
    let (source, target) = (Home::file(), Home::file());
    fill(&source).await;
    let is_in_use = |refused: &Result<Migrated, MigrateError>| {
        matches!(refused, Err(MigrateError::File(BackupError::InUse { .. })))
    };
    let server: Database = source.open().await;
    let refused = move_to(&source, &target).await;
    assert!(is_in_use(&refused), "{refused:?}");
    assert_eq!(fs::read_dir(folder(&target)).unwrap().count(), 0, "no file is made");
    drop(server);
    let server = target.open().await;
    let refused = move_to(&source, &target).await;
    assert!(is_in_use(&refused), "{refused:?}");
    drop(server);
    let target = Home::database().await;
    drop(target.open().await);
    let url = target.url();
    let raw = cluster::connect(&url).await;
    raw.batch_execute("BEGIN; SELECT * FROM oauth2_grants FOR UPDATE").await.unwrap();
    let refused = move_to(&source, &target).await;
    assert!(matches!(refused, Err(MigrateError::InUse)), "{refused:?}");
    raw.batch_execute("ROLLBACK").await.unwrap();
    move_to(&source, &target).await.unwrap();
}

fn folder(home: &Home) -> &std::path::Path {
    let Home::File(Place { dir, .. }) = home else { panic!("it is no file") };
    dir.path()
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone_and_there_only_when_it_is_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    let (source, target) = (Home::file(), Home::file());
    fill(&source).await;
    let target_folder = folder(&target).to_owned();
    let during = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&during);
    migrate(&source.url(), &target.url(), move |_| {
        let names = fs::read_dir(&target_folder).unwrap().map(|entry| entry.unwrap().file_name());
        seen.lock().unwrap().extend(names);
    })
    .await
    .unwrap();
    let during = during.lock().unwrap().clone();
    assert!(
        during.iter().all(|name| name != "app.db") && during.iter().any(|name| name == "app.db.part"),
        "{during:?}"
    );
    let left: Vec<_> = fs::read_dir(folder(&target)).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // What fails on the way leaves no file.
    source.run("UPDATE oauth2_one_time SET payload = CAST(x'ff' AS TEXT) WHERE kind = 'many 1'").await;
    let other = Home::file();
    let refused = move_to(&source, &other).await;
    assert!(matches!(refused, Err(MigrateError::Table { table: "oauth2_one_time", .. })), "{refused:?}");
    assert_eq!(fs::read_dir(folder(&other)).unwrap().count(), 0);
}
