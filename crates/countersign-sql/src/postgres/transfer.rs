//! A database of a server that is moved from or to: one moment of it is read, and nobody else writes into it.

use std::collections::HashMap;

use countersign_core::{meters::DatabaseMeters, store::StoreError};
use tokio::runtime::Handle;
use tokio_postgres::{Statement, error::SqlState, types::ToSql};

use super::{
    cannot_be_kept,
    connection::Connection,
    location::{Access, Location},
    migrate,
    query::{self, Problem},
};
use crate::{
    open_error::OpenError,
    rows::{self, Value},
    statements as sql,
    tables::{Kind, Row, TABLES, Table},
    transfer::{MigrateError, PAGE, Source, Target},
};

/// A database, in a transaction that ends with the connection.
pub(crate) struct AtServer {
    runtime: Handle,
    connection: Connection,
    prepared: HashMap<String, Statement>,
    identity: Option<String>,
}

/// Opens a database to read it.
pub(crate) fn source(url: &str, runtime: &Handle) -> Result<AtServer, MigrateError> {
    let mut source = AtServer::open(url, Access::Look, runtime)?;
    runtime.block_on(migrate::check(&source.connection))?.check_known()?;
    source.batch(sql::POSTGRES_BEGIN_TO_READ_ALL)?;
    source.find_identity()?;
    Ok(source)
}

/// Opens a database to write into it, and makes its tables; [`AtServer::begin`] comes next.
pub(crate) fn target(url: &str, runtime: &Handle) -> Result<AtServer, MigrateError> {
    let mut target = AtServer::open(url, Access::Write, runtime)?;
    runtime.block_on(migrate::migrate(&target.connection))?.check_known()?;
    target.find_identity()?;
    Ok(target)
}

impl AtServer {
    fn open(url: &str, access: Access, runtime: &Handle) -> Result<Self, OpenError> {
        let location = Location::parse(url, access)?;
        let connection = runtime.block_on(Connection::open(&location, &DatabaseMeters::new()));
        let connection = connection.map_err(|problem| OpenError::Connect {
            place: location.place(),
            source: StoreError::from(problem).into(),
        })?;
        Ok(Self { runtime: runtime.clone(), connection, prepared: HashMap::new(), identity: None })
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.runtime.block_on(self.connection.batch(sql))?)
    }

    fn find_identity(&mut self) -> Result<(), StoreError> {
        let found = self.runtime.block_on(self.connection.all(sql::POSTGRES_FIND_IDENTITY, &[], rows::identity))?;
        self.identity = found.into_iter().next();
        Ok(())
    }

    /// Begins the transaction, in which nobody else writes into the tables: whoever wants to waits, and one who does already
    /// is waited for, but not for long.
    ///
    /// # Errors
    /// [`MigrateError::InUse`].
    pub(crate) fn begin(self) -> Result<Self, MigrateError> {
        let lock = format!("LOCK TABLE {} IN EXCLUSIVE MODE", TABLES.each_ref().map(|table| table.name).join(", "));
        self.batch(sql::POSTGRES_BEGIN_TO_FILL)?;
        let locked = self.runtime.block_on(self.connection.client().batch_execute(&lock));
        locked.map_err(|problem| match problem.code() {
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => MigrateError::InUse,
            _ => StoreError::from(Problem::from(problem)).into(),
        })?;
        Ok(self)
    }

    fn prepare(&mut self, sql: String) -> Result<Statement, Problem> {
        if let Some(statement) = self.prepared.get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.runtime.block_on(self.connection.client().prepare(&sql))?;
        self.prepared.insert(sql, statement.clone());
        Ok(statement)
    }

    fn rows(&mut self, sql: String, values: &[Value]) -> Result<Vec<tokio_postgres::Row>, Problem> {
        let statement = self.prepare(sql)?;
        let values = query::bound(&statement, values);
        Ok(self.runtime.block_on(self.connection.client().query(&statement, &values))?)
    }
}

impl Source for AtServer {
    fn page(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, StoreError> {
        let sql = if after.is_none() { table.select_first() } else { table.select_after() };
        let mut values = after.unwrap_or_default().to_vec();
        values.push(PAGE.into());
        self.rows(sql, &values)?.iter().map(|row| table.read(row)).collect()
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        let found = self.rows(table.count(), &[])?;
        found.first().map_or(Ok(0), |row| rows::number(row))
    }

    fn last_number(&mut self) -> Result<u64, StoreError> {
        let found =
            self.runtime.block_on(self.connection.all(sql::POSTGRES_FIND_LAST_NUMBER, &[], rows::last_number))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }
}

impl Target for AtServer {
    fn put(&mut self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError> {
        let statement = self.prepare(table.insert_lists())?;
        let lists = table.columns.iter().enumerate().map(|(i, (_, kind))| list(*kind, rows, i));
        let lists: Vec<Box<dyn ToSql + Sync + '_>> = lists.collect();
        let values: Vec<&(dyn ToSql + Sync)> = lists.iter().map(AsRef::as_ref).collect();
        let put = self.runtime.block_on(self.connection.client().execute(&statement, &values));
        put.map_err(Problem::from)?;
        Ok(())
    }

    fn can_keep(&self, value: &Value) -> bool {
        !cannot_be_kept(value)
    }

    fn go_on_after(&mut self, number: u64) -> Result<(), StoreError> {
        // Not back: this sequence may have given numbers that are gone. And never to 0, which is before the first.
        let number = number.max(self.last_number()?);
        if number > 0 {
            let moved = [Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))];
            self.runtime.block_on(self.connection.all(sql::POSTGRES_MOVE_NUMBER, &moved, rows::number))?;
        }
        self.runtime.block_on(self.connection.all(sql::POSTGRES_MOVE_POSITION, &[], |_| Ok(())))?;
        Ok(())
    }

    fn keep(self: Box<Self>) -> Result<(), MigrateError> {
        Ok(self.batch(sql::POSTGRES_COMMIT)?)
    }
}

/// One column of all rows. A value of another kind would be none; that no value got lost is looked at afterwards.
fn list<'a>(kind: Kind, rows: &'a [Row], column: usize) -> Box<dyn ToSql + Sync + 'a> {
    let values = rows.iter().map(move |row| row.get(column));
    match kind {
        Kind::Text => Box::new(values.map(as_text).collect::<Vec<_>>()),
        Kind::Integer => Box::new(values.map(as_integer).collect::<Vec<_>>()),
        Kind::Blob => Box::new(values.map(as_blob).collect::<Vec<_>>()),
    }
}

fn as_text(value: Option<&Value>) -> Option<&str> {
    if let Some(Value::Text(text)) = value { Some(text) } else { None }
}

fn as_integer(value: Option<&Value>) -> Option<i64> {
    if let Some(Value::Integer(integer)) = value { Some(*integer) } else { None }
}

fn as_blob(value: Option<&Value>) -> Option<&[u8]> {
    if let Some(Value::Blob(bytes)) = value { Some(bytes) } else { None }
}
