//! A file that is moved from or to: nobody else has it open meanwhile.

use std::path::{Path, PathBuf};

use countersign_core::store::StoreError;
use rusqlite::{Connection, params_from_iter};

use super::{
    backup::{self, Part},
    connection, file, location, migrate,
    query::{self, store_error},
};
use crate::{
    backup::BackupError,
    open_error::OpenError,
    rows::{self, Value},
    statements as sql,
    tables::{Row, Table},
    transfer::{MigrateError, PAGE, Source, Target},
};

/// Without symbolic links, so that two names of one file are one.
pub(crate) fn path(url: &str) -> Result<PathBuf, OpenError> {
    file::resolve(&location::path(Path::new(url))?)
}

/// A database, in a transaction.
pub(crate) struct AtFile {
    // Closed before a file goes that did not get its name.
    connection: Connection,
    /// A new file, and what it will be called.
    new: Option<(Part, PathBuf)>,
}

/// Opens a database that is there.
pub(crate) fn source(path: &Path) -> Result<AtFile, MigrateError> {
    let path = file::find(path)?;
    let looker = connection::looker(&path)?;
    backup::check_ours(&looker, &path)?;
    migrate::check(&looker)?.check_known()?;
    backup::check_whole(&looker, &path)?;
    drop(looker);
    AtFile::begin(alone(&path)?, None)
}

/// Opens a database, or makes one, which has its name only when all is in it.
pub(crate) fn target(path: &Path) -> Result<AtFile, MigrateError> {
    let exists = match file::find(path) {
        Ok(_) => true,
        Err(OpenError::Missing { .. }) => false,
        Err(other) => return Err(other.into()),
    };
    let new = match exists {
        true => None,
        false => {
            file::with_companions(path).try_for_each(|path| backup::refuse_existing(&path))?;
            Some((Part::create(path)?, path.to_owned()))
        }
    };
    let mut connection = alone(new.as_ref().map_or(path, |(part, _)| &part.path))?;
    migrate::migrate(&mut connection)?.check_known()?;
    AtFile::begin(connection, new)
}

fn alone(path: &Path) -> Result<Connection, BackupError> {
    connection::alone(path)?.ok_or_else(|| BackupError::InUse { path: path.to_owned() })
}

impl AtFile {
    fn begin(connection: Connection, new: Option<(Part, PathBuf)>) -> Result<Self, MigrateError> {
        connection.execute_batch(sql::SQLITE_BEGIN_ALONE).map_err(store_error)?;
        Ok(Self { connection, new })
    }

    fn number(&self, sql: &str) -> Result<u64, StoreError> {
        Ok(query::one(&self.connection, sql, &[], rows::number)?.unwrap_or_default())
    }
}

impl Source for AtFile {
    fn page(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, StoreError> {
        let sql = if after.is_none() { table.select_first() } else { table.select_after() };
        let mut values = after.unwrap_or_default().to_vec();
        values.push(PAGE.into());
        let mut statement = self.connection.prepare_cached(&sql).map_err(store_error)?;
        let mut found = statement.query(params_from_iter(&values)).map_err(store_error)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(store_error)? {
            rows.push(table.read(row)?);
        }
        Ok(rows)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        self.number(&table.count())
    }

    fn last_number(&mut self) -> Result<u64, StoreError> {
        self.number(sql::SQLITE_FIND_LAST_NUMBER)
    }

    fn identity(&self) -> Option<&str> {
        None
    }
}

impl Target for AtFile {
    fn put(&mut self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(&table.insert()).map_err(store_error)?;
        rows.iter().try_for_each(|row| statement.execute(params_from_iter(row)).map(drop)).map_err(store_error)
    }

    fn can_keep(&self, _: &Value) -> bool {
        true
    }

    fn go_on_after(&mut self, number: u64) -> Result<(), StoreError> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        // What was put moved it already, as far as there was something. Keys go on after the last by themselves.
        for statement in [sql::SQLITE_MOVE_NUMBER, sql::SQLITE_PUT_NUMBER] {
            query::execute(&self.connection, statement, &[Value::Integer(number)])?;
        }
        Ok(())
    }

    fn keep(self: Box<Self>) -> Result<(), MigrateError> {
        let Self { connection, new } = *self;
        connection.execute_batch(sql::SQLITE_COMMIT).map_err(store_error)?;
        connection.close().map_err(|(_, problem)| store_error(problem))?;
        if let Some((part, path)) = new {
            part.take_name(&path)?;
        }
        Ok(())
    }
}
