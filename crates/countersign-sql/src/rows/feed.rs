//! The feed as rows, and the first of an epoch.

use countersign_core::{
    clock::Timestamp,
    names::{ClientId, GrantId, KeyId, Subject},
    store::{Ended, FeedEntry, StoreError},
};

use super::{Columns, Value, text, time, unreadable};

pub(crate) fn feed_entry(row: &dyn Columns) -> Result<FeedEntry, StoreError> {
    let (kind, name) = (text(row, "kind")?, text(row, "name")?);
    Ok(FeedEntry {
        number: row.integer("number")?.and_then(|number| number.try_into().ok()).ok_or_else(|| unreadable("number"))?,
        ended: match kind.as_str() {
            "grant" => Ended::Grant(GrantId::new(name)),
            "token" => Ended::Token(name),
            "client" => Ended::Client(ClientId::new(name), time(row, "issued_until")?),
            "key" => Ended::Key(KeyId::new(name)),
            "owner" => Ended::Owner(Subject::new(name)),
            "everything" => Ended::Everything(time(row, "issued_until")?),
            _ => Ended::Other(row.integer("issued_until")?.map(Timestamp::from_seconds)),
        },
        until: time(row, "until")?,
    })
}

/// In the order of [`crate::statements::APPEND_FEED`].
pub(crate) fn feed_values(ended: &Ended, until: Timestamp) -> Vec<Value> {
    let (kind, name, issued_until) = match ended {
        Ended::Grant(id) => ("grant", id.as_str(), Value::Null),
        Ended::Token(id) => ("token", id.as_str(), Value::Null),
        Ended::Client(id, issued_until) => ("client", id.as_str(), (*issued_until).into()),
        Ended::Key(id) => ("key", id.as_str(), Value::Null),
        Ended::Owner(subject) => ("owner", subject.as_str(), Value::Null),
        Ended::Everything(issued_until) => ("everything", "", (*issued_until).into()),
        Ended::Other(issued_until) => ("other", "", issued_until.map_or(Value::Null, Value::from)),
    };
    vec![kind.into(), name.into(), issued_until, until.into()]
}

/// In the order of [`crate::statements::BEGIN_EPOCH`].
pub(crate) fn epoch_values(number: u64, now: Timestamp, until: Timestamp) -> Vec<Value> {
    let mut values = vec![Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))];
    values.extend(feed_values(&Ended::Everything(now), until));
    values
}
