//! Copies: made beside those who write, refused where they would harm, and put back with the past made powerless.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    jose::Algorithm,
    names::KeyId,
    store::{
        Ended, Feed as _, Grants as _, HandleHash, KeyRecord, Keys as _, OwnerRegistry as _, PrivateKey, SealedKey,
        Standing,
    },
};
use countersign_sql::{BackupError, OpenError, Sqlite};

use crate::support::{CODE, NOW, Place, code, grant, later_step, owner};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
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

/// A database with a bit of everything, and a copy of it.
async fn copied() -> (Place, std::path::PathBuf) {
    let place = Place::new();
    let store = place.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
    store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    store.put_one_time(&code("a code")).await.unwrap();
    store.put_first_key(&key("1", Algorithm::Es256)).await.unwrap();
    store.put_first_key(&key("2", Algorithm::EdDsa)).await.unwrap();
    store.seal_key(&KeyId::new("2"), &SealedKey::from_bytes(vec![7; 60])).await.unwrap();
    let copy = place.dir.path().join("copy.db");
    let said = Sqlite::back_up(&place.path, &copy).await.unwrap();
    assert_eq!((said.owners, said.clients, said.grants), (1, 0, 1));
    assert_eq!((said.private_keys, said.plain_keys), (2, 1));
    assert_eq!(said.bytes, fs::metadata(&copy).unwrap().len());
    (place, copy)
}

#[tokio::test]
async fn i8_what_is_there_is_never_overwritten() {
    let (place, copy) = copied().await;
    let before = names(place.dir.path());
    let bytes = fs::read(&copy).unwrap();
    let refused = Sqlite::back_up(&place.path, &copy).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Exists { path } if path.ends_with("copy.db")), "{refused:?}");
    let refused = Sqlite::restore(&copy, &place.path, NOW).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Exists { path } if path.ends_with("app.db")), "{refused:?}");
    let other = place.dir.path().join("other.db");
    fs::write(place.dir.path().join("other.db-wal"), "of a lost database").unwrap();
    let refused = Sqlite::restore(&copy, &other, NOW).await.unwrap_err();
    assert!(matches!(&refused, BackupError::Exists { path } if path.ends_with("other.db-wal")), "{refused:?}");
    fs::remove_file(place.dir.path().join("other.db-wal")).unwrap();
    let part = place.dir.path().join("other.db.part");
    fs::write(&part, "").unwrap();
    for refused in
        [Sqlite::back_up(&place.path, &other).await.map(drop), Sqlite::restore(&copy, &other, NOW).await.map(drop)]
    {
        assert!(
            matches!(&refused, Err(BackupError::Unfinished { path }) if path.ends_with("other.db.part")),
            "{refused:?}"
        );
    }
    fs::remove_file(part).unwrap();
    assert_eq!((names(place.dir.path()), fs::read(&copy).unwrap()), (before, bytes));
}

#[tokio::test]
async fn i8_what_is_no_whole_database_of_ours_is_neither_copied_nor_put_back() {
    let (place, copy) = copied().await;
    let folder = place.dir.path();
    let whole = fs::read(&copy).unwrap();
    let altered = |name: &str, sql: &str| {
        fs::copy(&copy, folder.join(name)).unwrap();
        rusqlite::Connection::open(folder.join(name)).unwrap().execute_batch(sql).unwrap();
    };
    altered("newer.db", &later_step("max(version) + 1"));
    altered("not_ours.db", "DROP TABLE oauth2_schema");
    fs::write(folder.join("letter.db"), "this is a letter to somebody, and long enough to have a header").unwrap();
    fs::write(folder.join("empty.db"), "").unwrap();
    fs::write(folder.join("truncated.db"), &whole[..whole.len() / 2]).unwrap();
    let mut damaged = whole.clone();
    damaged[3 * 4096..].fill(0xEE);
    fs::write(folder.join("damaged.db"), damaged).unwrap();
    let target = Place::new();
    let is_as_said = |name: &str, error: &BackupError| match name {
        "newer.db" => matches!(error, BackupError::Open(OpenError::NewerSchema { .. })),
        "not_ours.db" | "empty.db" => matches!(error, BackupError::NotOurs { .. }),
        "letter.db" => matches!(error, BackupError::Open(OpenError::Database(_))),
        "missing.db" => matches!(error, BackupError::Open(OpenError::Missing { .. })),
        _ => matches!(error, BackupError::Damaged { .. } | BackupError::Open(OpenError::Database(_))),
    };
    for name in ["newer.db", "not_ours.db", "letter.db", "empty.db", "truncated.db", "damaged.db", "missing.db"] {
        let from = folder.join(name);
        let before = fs::read(&from).ok();
        for refused in [
            Sqlite::restore(&from, &target.path, NOW).await.map(drop),
            Sqlite::back_up(&from, &target.path).await.map(drop),
            Sqlite::restore_in_place(&from, NOW).await.map(drop),
        ] {
            let refused = refused.unwrap_err();
            assert!(is_as_said(name, &refused), "{name}: {refused:?}");
        }
        assert_eq!(fs::read(&from).ok(), before, "{name}");
        assert_eq!(names(target.dir.path()), [""; 0], "{name}");
    }
    let nowhere = folder.join("missing").join("app.db");
    let refused = Sqlite::restore(&copy, &nowhere, NOW).await.unwrap_err();
    assert!(matches!(refused, BackupError::Open(OpenError::Directory { .. })), "{refused:?}");
    #[cfg(target_os = "linux")]
    {
        let refused = Sqlite::back_up(&place.path, "/proc/copy.db").await.unwrap_err();
        assert!(matches!(refused, BackupError::Write { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn n8_a_newer_database_is_copied_whole_and_put_back_by_nobody_who_does_not_know_it() {
    let (place, copy) = copied().await;
    let target = Place::new();
    // Whoever made this has what can be presented in tables that this program does not know.
    let raw = place.raw();
    raw.execute_batch("CREATE TABLE oauth2_later (id TEXT); INSERT INTO oauth2_later VALUES ('x')").unwrap();
    raw.execute_batch(&later_step("max(version)")).unwrap();
    drop(raw);
    fs::remove_file(&copy).unwrap();
    Sqlite::back_up(&place.path, &copy).await.unwrap();
    let raw = rusqlite::Connection::open(&copy).unwrap();
    assert_eq!(raw.query_row("SELECT id FROM oauth2_later", [], |row| row.get::<_, String>(0)).unwrap(), "x");
    drop(raw);
    let before = fs::read(&copy).unwrap();
    for refused in [
        Sqlite::restore(&copy, &target.path, NOW).await.map(drop),
        Sqlite::restore_in_place(&copy, NOW).await.map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, BackupError::Open(OpenError::UnlikeSchema { .. })), "{refused:?}");
    }
    assert_eq!(names(target.dir.path()), [""; 0]);
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[tokio::test]
async fn i8_a_database_that_is_in_use_is_not_changed_in_place() {
    let (place, _) = copied().await;
    for users in ["the server", "somebody who looks"] {
        let server = match users {
            "the server" => place.open().await,
            _ => Sqlite::open_to_look(&place.path).await.unwrap(),
        };
        let refused = Sqlite::restore_in_place(&place.path, NOW).await.unwrap_err();
        assert!(matches!(refused, BackupError::InUse { .. }), "{users}: {refused:?}");
        assert!(server.find_grant(&grant("g").id).await.unwrap().is_some(), "{users}");
        assert_eq!(server.find_feed(0, 9).await.unwrap(), [], "{users}");
    }
    let restored = Sqlite::restore_in_place(&place.path, NOW).await.unwrap();
    assert_eq!((restored.epoch.grants, restored.epoch.keys, restored.epoch.one_time), (1, 2, 1));
    assert_eq!(names(place.dir.path()), ["app.db", "copy.db"]);
    assert_eq!(place.open().await.find_grant(&grant("g").id).await.unwrap(), None);
}

#[tokio::test]
async fn n6_a_clock_that_is_behind_the_database_puts_nothing_back() {
    let (place, copy) = copied().await;
    let target = Place::new();
    let minute = Duration::from_secs(60);
    for now in [NOW.minus(minute + Duration::from_secs(1)), NOW.minus(Duration::from_secs(1_700_000_000))] {
        let refused = Sqlite::restore(&copy, &target.path, now).await.unwrap_err();
        assert!(matches!(refused, BackupError::ClockBehind { newest: NOW }), "{refused:?}");
        assert_eq!(names(target.dir.path()), [""; 0]);
    }
    let (_, restored) = Sqlite::restore(&copy, &target.path, NOW.minus(minute)).await.unwrap();
    assert_eq!(restored.newest_moment, Some(NOW));
    drop(place);
}

#[tokio::test]
async fn i8_a_copy_is_put_back_with_the_past_made_powerless_before_it_has_its_name() {
    let (place, copy) = copied().await;
    let bytes = fs::read(&copy).unwrap();
    let mut numbers = Vec::new();
    for seconds in [0, 1] {
        let target = Place::new();
        let now = NOW.plus(Duration::from_secs(seconds));
        let (said, restored) = Sqlite::restore(&copy, &target.path, now).await.unwrap();
        assert_eq!((said.owners, restored.epoch.grants, restored.epoch.keys), (1, 1, 2));
        assert_eq!(names(target.dir.path()), ["app.db"]);
        let store = target.open().await;
        assert_eq!(store.list_owners(None, 9).await.unwrap(), [owner("alice")]);
        assert_eq!(store.find_grant(&grant("g").id).await.unwrap(), None);
        assert_eq!(store.find_one_time(CODE, &HandleHash::of("a code"), now).await.unwrap(), None);
        assert!(store.find_keys().await.unwrap().iter().all(|key| key.withdrawn_at == Some(now)));
        let told = store.find_feed(0, 9).await.unwrap();
        assert_eq!((told[0].number, &told[0].ended), (restored.epoch.number, &Ended::Everything(now)));
        numbers.push(restored.epoch.number);
        #[cfg(unix)]
        crate::processes::assert_owner_only(&target.path);
    }
    assert!(numbers[1] > numbers[0] + 1000, "the same copy again has other numbers: {numbers:?}");
    assert_eq!(fs::read(&copy).unwrap(), bytes, "the copy stays as it is");
    drop(place);
}

#[tokio::test]
async fn a_copy_of_an_older_program_is_put_back_with_the_tables_of_this_one() {
    let place = Place::new();
    let raw = place.raw();
    for (version, text) in [
        (1, include_str!("../../migrations/sqlite/0001_first.sql")),
        (2, include_str!("../../migrations/sqlite/0002_renewal.sql")),
    ] {
        use sha2::Digest as _;
        raw.execute_batch(text).unwrap();
        raw.execute_batch(
            "CREATE TABLE IF NOT EXISTS oauth2_schema (version INTEGER NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, \
            welcomes INTEGER NOT NULL)",
        )
        .unwrap();
        let checksum: String = sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        raw.execute("INSERT INTO oauth2_schema VALUES ($1, $2, $1)", (version, checksum)).unwrap();
    }
    raw.execute_batch(
        "INSERT INTO oauth2_keys (id, algorithm, private_key, signs_from) VALUES ('k', 'ES256', x'00', 0)",
    )
    .unwrap();
    drop(raw);
    let copy = place.dir.path().join("copy.db");
    let said = Sqlite::back_up(&place.path, &copy).await.unwrap();
    assert_eq!((said.private_keys, said.plain_keys), (1, 1), "no key was encrypted then");
    let refused = Sqlite::open_to_look(&copy).await.unwrap_err();
    assert!(matches!(refused, OpenError::OlderSchema { missing: 3 }), "the copy is as the database: {refused:?}");
    let target = Place::new();
    Sqlite::restore(&copy, &target.path, NOW).await.unwrap();
    let store = Sqlite::open_to_look(&target.path).await.unwrap();
    assert_eq!(store.find_keys().await.unwrap()[0].withdrawn_at, Some(NOW));
}

#[tokio::test]
async fn i8_what_was_deleted_is_not_in_a_copy() {
    let place = Place::new();
    let store = place.open().await;
    for i in 0..200 {
        let mut thing = code(&format!("code {i}"));
        thing.payload = "canary ".repeat(100);
        store.put_one_time(&thing).await.unwrap();
    }
    let gone = NOW.plus(Duration::from_secs(100_000));
    assert_eq!(store.sweep(gone, Duration::ZERO, 1000).await.unwrap(), 200);
    let copy = place.dir.path().join("copy.db");
    Sqlite::back_up(&place.path, &copy).await.unwrap();
    let bytes = fs::read(&copy).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert!(!names(place.dir.path()).iter().any(|name| name.starts_with("copy.db") && name != "copy.db"));
}

#[tokio::test(flavor = "multi_thread")]
async fn n3_whatever_was_acknowledged_before_is_in_a_copy_that_is_made_beside_those_who_write() {
    let place = Place::new();
    let store = place.open().await;
    let (acknowledged, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, acknowledged, is_over) = (store.clone(), acknowledged.clone(), is_over.clone());
            tokio::spawn(async move {
                for i in 0.. {
                    let id = format!("{writer}-{i}");
                    store.redeem(&Standing::Elsewhere, None, &grant(&id), None).await.unwrap();
                    acknowledged.lock().unwrap().push(id);
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            })
        })
        .collect();
    for round in 0..5 {
        while acknowledged.lock().unwrap().len() < 20 * (round + 1) {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().unwrap().clone();
        let copy = place.dir.path().join(format!("copy-{round}.db"));
        let said = Sqlite::back_up(&place.path, &copy).await.unwrap();
        assert!(said.grants >= before.len(), "{said:?}");
        let copied = Sqlite::open_to_look(&copy).await.unwrap();
        for id in &before {
            assert!(copied.find_grant(&grant(id).id).await.unwrap().is_some(), "{id} is lost");
        }
    }
    is_over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}
