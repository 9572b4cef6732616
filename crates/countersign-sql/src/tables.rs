//! Every table that has something to keep, column by column: what moves when a database moves to another engine.
//!
//! Not here, because each database has its own: `oauth2_schema`, and PostgreSQL's `oauth2_locks`, `oauth2_attempts` and
//! `oauth2_known_pairs`. A column that is in an engine and not here fails the test below.

use countersign_core::store::StoreError;
use sha2::{Digest, Sha256};

use crate::{
    hex,
    rows::{Columns, Value},
};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Blob,
}

use self::Kind::{Blob, Integer, Text};

/// A table; its first columns are its primary key, by which it is read in the same order everywhere.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    keys: usize,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

/// A row, in the order of the columns.
pub(crate) type Row = Vec<Value>;

/// All of them. What a grant stands on comes before it; the feed, which says what ended, is last.
pub(crate) static TABLES: [Table; 7] = [
    Table {
        name: "oauth2_owners",
        keys: 1,
        columns: &[
            ("subject", Text),
            ("username", Text),
            ("full_name", Text),
            ("email", Text),
            ("scope", Text),
            ("status", Text),
            ("password_hash", Text),
        ],
    },
    Table {
        name: "oauth2_clients",
        keys: 1,
        columns: &[
            ("id", Text),
            ("name", Text),
            ("auth_methods", Text),
            ("secrets", Text),
            ("jwks", Text),
            ("party", Text),
            ("grant_types", Text),
            ("scope", Text),
            ("audience", Text),
            ("token_format", Text),
            ("status", Text),
            ("created_at", Integer),
            ("serves", Text),
        ],
    },
    Table {
        name: "oauth2_keys",
        keys: 1,
        columns: &[
            ("position", Integer),
            ("id", Text),
            ("algorithm", Text),
            ("private_key", Blob),
            ("signs_from", Integer),
            ("verifies_until", Integer),
            ("withdrawn_at", Integer),
            ("sealed", Integer),
        ],
    },
    Table {
        name: "oauth2_grants",
        keys: 1,
        columns: &[
            ("id", Text),
            ("subject", Text),
            ("client_id", Text),
            ("scope", Text),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("used_at", Integer),
            ("access_until", Integer),
            ("refresh_family", Blob),
            ("refresh_current", Blob),
            ("refresh_expires_at", Integer),
            ("retired", Blob),
            ("retired_at", Integer),
        ],
    },
    Table {
        name: "oauth2_opaque_tokens",
        keys: 1,
        columns: &[
            ("handle", Blob),
            ("grant_id", Text),
            ("claims", Text),
            ("expires_at", Integer),
            ("client_id", Text),
        ],
    },
    Table {
        name: "oauth2_one_time",
        keys: 2,
        columns: &[("kind", Text), ("handle", Blob), ("expires_at", Integer), ("payload", Text), ("spent_by", Text)],
    },
    Table {
        name: "oauth2_feed",
        keys: 1,
        columns: &[("number", Integer), ("kind", Text), ("name", Text), ("issued_until", Integer), ("until", Integer)],
    },
];

impl Table {
    fn key_columns(&self) -> &'static [(&'static str, Kind)] {
        self.columns.split_at_checked(self.keys).unwrap_or_default().0
    }

    /// The primary key of a row.
    pub(crate) fn key(&self, row: &[Value]) -> Vec<Value> {
        row.iter().take(self.keys).cloned().collect()
    }

    /// The primary key of a row, for people. It is no secret: handles are there by their hashes.
    pub(crate) fn key_text(&self, row: &[Value]) -> String {
        let shown = row.iter().take(self.keys).map(|value| match value {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(integer) => integer.to_string(),
            Value::Blob(bytes) => hex::encode(bytes),
            Value::Null => String::new(),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// The first rows: their number is the last parameter.
    pub(crate) fn select_first(&self) -> String {
        let keys = joined(self.key_columns());
        format!("SELECT {} FROM {} ORDER BY {keys} LIMIT $1", joined(self.columns), self.name)
    }

    /// The rows after one, which is given by its key; their number is the last parameter.
    pub(crate) fn select_after(&self) -> String {
        let (columns, keys, limit) = (joined(self.columns), joined(self.key_columns()), self.keys + 1);
        let last = parameters(self.keys);
        format!("SELECT {columns} FROM {} WHERE ({keys}) > ({last}) ORDER BY {keys} LIMIT ${limit}", self.name)
    }

    pub(crate) fn count(&self) -> String {
        format!("SELECT COUNT(*) AS number FROM {}", self.name)
    }

    /// One row.
    pub(crate) fn insert(&self) -> String {
        let values = parameters(self.columns.len());
        format!("INSERT INTO {} ({}) VALUES ({values})", self.name, joined(self.columns))
    }

    /// Many rows, as a list for each column: PostgreSQL's own.
    pub(crate) fn insert_lists(&self) -> String {
        let lists = self.columns.iter().enumerate().map(|(i, (_, kind))| {
            let kind = match kind {
                Text => "TEXT",
                Integer => "BIGINT",
                Blob => "BYTEA",
            };
            format!("CAST(${} AS {kind}[])", i + 1)
        });
        let lists = lists.collect::<Vec<_>>().join(", ");
        format!("INSERT INTO {} ({}) SELECT * FROM unnest({lists})", self.name, joined(self.columns))
    }

    /// Reads a row of ours. One with a value of another kind is [`StoreError::Corrupt`].
    pub(crate) fn read(&self, row: &dyn Columns) -> Result<Row, StoreError> {
        let value = |(column, kind): &(&'static str, Kind)| {
            let value = match kind {
                Text => row.text(column)?.map(Value::Text),
                Integer => row.integer(column)?.map(Value::Integer),
                Blob => row.blob(column)?.map(Value::Blob),
            };
            Ok(value.unwrap_or(Value::Null))
        };
        self.columns.iter().map(value).collect()
    }
}

fn joined(columns: &[(&'static str, Kind)]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn parameters(count: usize) -> String {
    (1..=count).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ")
}

/// What rows are, told by their number and a hash over all that is in them.
pub(crate) struct Sum {
    pub(crate) rows: u64,
    hash: Sha256,
}

impl Sum {
    pub(crate) fn new() -> Self {
        Self { rows: 0, hash: Sha256::new() }
    }

    /// Adds a row. Each value goes in with its kind and its length, so that no two rows go in alike.
    pub(crate) fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Null => self.hash.update([0]),
                Value::Text(text) => self.add_bytes(1, text.as_bytes()),
                Value::Integer(integer) => {
                    self.hash.update([2]);
                    self.hash.update(integer.to_be_bytes());
                }
                Value::Blob(bytes) => self.add_bytes(3, bytes),
            }
        }
    }

    fn add_bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.hash.update([kind]);
        self.hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.hash.update(bytes);
    }

    /// The hash, in hex.
    pub(crate) fn digest(self) -> String {
        hex::encode(&self.hash.finalize())
    }
}

#[cfg(test)]
#[expect(dead_code, reason = "nobody ends it here")]
#[path = "../tests/it/cluster.rs"]
mod cluster;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Postgres, Sqlite};

    fn sum(rows: &[&[Value]]) -> String {
        let mut sum = Sum::new();
        rows.iter().for_each(|row| sum.add(row));
        sum.digest()
    }

    fn text(text: &str) -> Value {
        Value::from(text)
    }

    #[test]
    fn what_differs_in_anything_has_another_digest() {
        let bytes = |text: &str| Value::Blob(text.as_bytes().to_vec());
        let sums = [
            sum(&[]),
            sum(&[&[text("ab"), text("c")]]),
            sum(&[&[text("a"), text("bc")]]),
            sum(&[&[text("abc"), Value::Null]]),
            sum(&[&[text("abc"), text("")]]),
            sum(&[&[bytes("ab"), text("c")]]),
            sum(&[&[Value::Integer(1), Value::Null]]),
            sum(&[&[Value::Integer(-1), Value::Null]]),
            sum(&[&[text("ab"), text("c")], &[text("ab"), text("c")]]),
            sum(&[&[text("b"), text("a")], &[text("a"), text("b")]]),
            sum(&[&[text("a"), text("b")], &[text("b"), text("a")]]),
        ];
        for (i, one) in sums.iter().enumerate() {
            assert!(!sums[..i].contains(one), "{i}");
        }
    }

    #[test]
    fn a_row_is_named_by_its_key_and_nothing_else_of_it() {
        let row = [text("code\0"), Value::Blob(vec![0xab, 1]), Value::Integer(5), text("canary"), Value::Null];
        let one_time = TABLES.iter().find(|table| table.name == "oauth2_one_time").unwrap();
        assert_eq!(one_time.key_text(&row), "\"code\\0\" ab01");
    }

    /// All columns there are but those of the tables that stay, as `table.column kind`, with the place in the key.
    fn listed() -> Vec<String> {
        let mut listed: Vec<_> = TABLES
            .iter()
            .flat_map(|table| {
                table.columns.iter().enumerate().map(|(i, (column, kind))| {
                    let key = if i < table.keys { i + 1 } else { 0 };
                    format!("{}.{column} {kind:?} {key}", table.name)
                })
            })
            .collect();
        listed.sort();
        listed
    }

    #[tokio::test]
    async fn every_column_of_a_file_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        drop(Sqlite::open(&path).await.unwrap());
        let file = rusqlite::Connection::open(&path).unwrap();
        let mut statement = file
            .prepare(
                "SELECT m.name || '.' || c.name || ' ' || CASE c.type WHEN 'TEXT' THEN 'Text' WHEN 'INTEGER' THEN \
                'Integer' WHEN 'BLOB' THEN 'Blob' ELSE c.type END || ' ' || c.pk \
                FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
                AND m.name LIKE 'oauth2%' AND m.name <> 'oauth2_schema'",
            )
            .unwrap();
        let mut found: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        found.sort();
        assert_eq!(found, listed());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_column_of_a_server_is_listed() {
        let url = super::cluster::SHARED.database().await;
        drop(Postgres::open(&url).await.unwrap());
        let raw = super::cluster::connect(&url).await;
        let rows = raw
            .query(
                "SELECT c.relname || '.' || a.attname || ' ' || CASE format_type(a.atttypid, NULL) WHEN 'text' THEN \
                'Text' WHEN 'bigint' THEN 'Integer' WHEN 'bytea' THEN 'Blob' ELSE format_type(a.atttypid, NULL) END \
                || ' ' || COALESCE(array_position(CAST(i.indkey AS SMALLINT[]), a.attnum) + 1, 0) \
                FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
                WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r' AND c.relname NOT IN \
                ('oauth2_schema', 'oauth2_locks', 'oauth2_attempts', 'oauth2_known_pairs')",
                &[],
            )
            .await
            .unwrap();
        let mut found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        found.sort();
        assert_eq!(found, listed());
    }
}
