//! A database that is only looked into stays as it is.

use std::{fs, time::Duration};

use countersign_core::{
    client::{Authentication, Client},
    grant_record::Grant,
    names::ClientId,
    store::{Added, Clients as _, Grants as _, OwnerRegistry as _, Standing, StoreError},
    username::Username,
};
use countersign_sql::{OpenError, Sqlite};

use crate::support::{NOW, Place, grant, owner};

fn files(place: &Place) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(place.dir.path()).unwrap().map(Result::unwrap);
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[tokio::test]
async fn what_is_not_there_is_not_made() {
    let place = Place::new();
    let refused = Sqlite::open_to_look(&place.path).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Missing { path } if path.ends_with("app.db")), "{refused:?}");
    assert_eq!(files(&place), []);
}

#[tokio::test]
async fn tables_that_are_missing_are_not_made() {
    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE yours (x)").unwrap();
    let before = files(&place);
    let refused = Sqlite::open_to_look(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::OlderSchema { missing: 1 }), "{refused:?}");
    assert_eq!(files(&place), before);
    drop(place.open().await);
    place.raw().execute("DELETE FROM oauth2_schema WHERE version >= 4", []).unwrap();
    let refused = Sqlite::open_to_look(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::OlderSchema { missing: 4 }), "{refused:?}");
}

#[tokio::test]
async fn looking_writes_nothing_and_leaves_nothing() {
    let place = Place::new();
    let store = place.open().await;
    store.add_owner(&owner("alice")).await.unwrap();
    drop(store);
    let before = files(&place);
    let looking = Sqlite::open_to_look(&place.path).await.unwrap();
    let refused = looking.add_owner(&owner("bob")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let names: Vec<_> = looking.list_owners(None, 9).await.unwrap().into_iter().map(|owner| owner.username).collect();
    assert_eq!(names.iter().map(Username::as_str).collect::<Vec<_>>(), ["alice"]);
    drop(looking);
    assert_eq!(files(&place), before);
}

#[tokio::test]
async fn looking_works_beside_one_who_writes() {
    let place = Place::new();
    let store = place.open().await;
    let looking = Sqlite::open_to_look(&place.path).await.unwrap();
    assert_eq!(store.add_owner(&owner("alice")).await.unwrap(), Added::Yes);
    assert_eq!(looking.list_owners(None, 9).await.unwrap().len(), 1);
    drop(looking);
    assert_eq!(store.add_owner(&owner("bob")).await.unwrap(), Added::Yes);
}

#[tokio::test]
async fn n6_the_newest_moment_is_that_of_a_grant_or_of_a_client() {
    let place = Place::new();
    let store = place.open().await;
    assert_eq!(store.find_newest_moment().await.unwrap(), None);
    let client = Client::new(ClientId::new("a"), Authentication::None, NOW);
    store.add_client(&client).await.unwrap();
    assert_eq!(store.find_newest_moment().await.unwrap(), Some(NOW));
    let used_at = NOW.plus(Duration::from_secs(7));
    let used = Grant { used_at, ..grant("1") };
    store.redeem(&Standing::Elsewhere, None, &used, None).await.unwrap();
    assert_eq!(store.find_newest_moment().await.unwrap(), Some(used_at));
}

#[cfg(unix)]
#[tokio::test]
async fn n10_looking_leaves_the_modes_of_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    drop(place.open().await);
    let mode = || fs::metadata(&place.path).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Sqlite::open_to_look(&place.path).await.unwrap());
    assert_eq!(mode(), 0o644);
    drop(place.open().await);
    assert_eq!(mode(), 0o600, "whoever writes takes it from others");
}
