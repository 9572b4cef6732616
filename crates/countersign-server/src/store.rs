//! Which store the program keeps its tables in: the one place that names one.

use std::path::Path;

use countersign_sql::{OpenError, Sqlite};

use crate::failure::Failure;

/// The store of the program.
pub(crate) type Database = Sqlite;

/// Opens the database that `url` names, making it where there is none.
///
/// # Errors
/// [`OpenError`]: it is no database of ours, or cannot be read and written.
pub(crate) async fn open(url: &str) -> Result<Database, OpenError> {
    Sqlite::open(url).await
}

/// Opens the database, which must be there: somebody who mistypes its name should not get an empty one.
///
/// # Errors
/// There is none, or as of [`open`].
pub(crate) async fn open_existing(url: &str) -> Result<Database, Failure> {
    if !exists(url) {
        return Err(Failure::failed(format!("there is no database {url}"))
            .hint("name another with --database, or make it with `countersign user add` or `countersign serve`"));
    }
    Ok(open(url).await?)
}

/// Whether there is a database of this name already.
fn exists(url: &str) -> bool {
    let path = url.strip_prefix("sqlite:").map_or(url, |rest| rest.strip_prefix("//").unwrap_or(rest));
    Path::new(path).exists()
}
