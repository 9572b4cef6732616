//! Which store the program keeps its tables in: the one place that names one.

use std::path::Path;

use countersign_sql::{OpenError, Sqlite};

/// The store of the program.
pub(crate) type Database = Sqlite;

/// Opens the database that `url` names, making it where there is none.
///
/// # Errors
/// [`OpenError`]: it is no database of ours, or cannot be read and written.
pub(crate) async fn open(url: &str) -> Result<Database, OpenError> {
    Sqlite::open(url).await
}

/// Whether there is a database of this name already.
pub(crate) fn exists(url: &str) -> bool {
    let path = url.strip_prefix("sqlite:").map_or(url, |rest| rest.strip_prefix("//").unwrap_or(rest));
    Path::new(path).exists()
}
