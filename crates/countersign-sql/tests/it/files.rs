//! Where the file is, who can read it, and what is refused in its place.

use countersign_sql::{OpenError, Sqlite};

use crate::support::Place;

#[tokio::test]
async fn a_missing_directory_is_named() {
    let place = Place::new();
    let missing = place.dir.path().join("missing");
    let refused = Sqlite::open(missing.join("app.db")).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Directory { path, .. } if *path == missing), "{refused:?}");
    std::fs::write(&place.path, "").unwrap();
    let refused = Sqlite::open(place.path.join("app.db")).await.unwrap_err();
    assert!(matches!(refused, OpenError::Directory { .. }), "{refused:?}");
}

#[tokio::test]
async fn what_is_not_a_database_is_left_alone() {
    let place = Place::new();
    let refused = Sqlite::open(place.dir.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotAFile { .. }), "{refused:?}");
    let text = "this is a letter to somebody, and long enough to have a header";
    std::fs::write(&place.path, text).unwrap();
    let refused = Sqlite::open(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::Database(_)), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&place.path).unwrap(), text);
}

#[tokio::test]
async fn a_url_names_the_same_file_as_a_path() {
    let place = Place::new();
    let store = Sqlite::open(format!("sqlite://{}", place.path.display())).await.unwrap();
    assert!(place.path.is_file());
    assert!(format!("{store:?}").contains("app.db"));
}

#[tokio::test]
async fn the_pragmas_that_stay_are_as_stated() {
    let place = Place::new();
    let _store = place.open().await;
    let mode: String = place.raw().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
        path::Path,
    };

    use countersign_core::store::OwnerRegistry;
    use countersign_sql::{OpenError, Sqlite};

    use crate::{
        processes::assert_owner_only,
        support::{Place, owner},
    };

    #[tokio::test]
    async fn n10_files_that_others_could_read_are_narrowed() {
        let place = Place::new();
        let store = place.open().await;
        store.add_owner(&owner("alice")).await.unwrap();
        // Now the log and its index are there, as they are after a crash.
        let copy = Place::new();
        for suffix in ["", "-wal", "-shm"] {
            let of = |path: &Path| format!("{}{suffix}", path.display());
            fs::copy(of(&place.path), of(&copy.path)).unwrap();
            fs::set_permissions(of(&copy.path), Permissions::from_mode(0o664)).unwrap();
        }
        let recovered = copy.open().await;
        assert_owner_only(&copy.path);
        assert_eq!(recovered.list_owners(None, 9).await.unwrap(), [owner("alice")]);
    }

    #[tokio::test]
    async fn a_mistyped_path_changes_no_mode() {
        let place = Place::new();
        fs::write(&place.path, "this is a letter to somebody, and long enough to have a header").unwrap();
        fs::set_permissions(&place.path, Permissions::from_mode(0o644)).unwrap();
        let refused = Sqlite::open(&place.path).await.unwrap_err();
        assert!(matches!(refused, OpenError::Database(_)), "{refused:?}");
        assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o7777, 0o644);
    }

    #[tokio::test]
    async fn a_symbolic_link_is_not_followed() {
        let (place, elsewhere) = (Place::new(), Place::new());
        for target in [elsewhere.path.clone(), elsewhere.dir.path().join("dangling.db")] {
            let _ = fs::remove_file(&place.path);
            symlink(&target, &place.path).unwrap();
            let refused = Sqlite::open(&place.path).await.unwrap_err();
            assert!(matches!(refused, OpenError::NotAFile { .. }), "{refused:?}");
            assert!(!target.exists());
        }
        fs::remove_file(&place.path).unwrap();
        let wal = format!("{}-wal", place.path.display());
        symlink(&elsewhere.path, wal).unwrap();
        let refused = Sqlite::open(&place.path).await.unwrap_err();
        assert!(matches!(refused, OpenError::NotAFile { .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn a_directory_reached_through_a_link_is_fine() {
        let place = Place::new();
        let link = place.dir.path().join("link");
        symlink(place.dir.path(), &link).unwrap();
        let _store = Sqlite::open(link.join("app.db")).await.unwrap();
        assert!(place.path.is_file());
    }
}
