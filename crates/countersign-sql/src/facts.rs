//! What both engines write for the same fact, whichever way each makes it one.

use countersign_core::{
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, Subject},
    store::{Ended, Found, LONGEST_ACCESS_TOKEN, OWNER_CHANGES_TOLD, Spend, Standing},
};

use crate::{
    rows::{self, Value},
    statements as sql,
};

/// What the feed is told of an owner who changes at `now`.
pub(crate) fn owner_changed(subject: &Subject, now: Timestamp) -> Vec<Value> {
    rows::feed_values(&Ended::Owner(subject.clone()), now.plus(OWNER_CHANGES_TOLD))
}

/// What the feed is told of a client whose tokens up to `now` end.
pub(crate) fn cut(id: &ClientId, now: Timestamp) -> Vec<Value> {
    rows::feed_values(&Ended::Client(id.clone(), now), now.plus(LONGEST_ACCESS_TOKEN))
}

/// Whether there was something to change.
pub(crate) const fn found(changed: usize) -> Found {
    if changed == 0 { Found::No } else { Found::Yes }
}

/// What records a grant of an owner of this standing, with its values.
pub(crate) fn recording(standing: &Standing, grant: &Grant) -> (&'static str, Vec<Value>) {
    let mut values = rows::grant_values(grant);
    values.extend(match standing {
        Standing::Elsewhere => return (sql::RECORD_GRANT, values),
        Standing::Active => [Value::Null],
        Standing::ActiveWith(hash) => [hash.secret().into()],
    });
    (sql::RECORD_GRANT_OF_OWNER, values)
}

/// The values by which a one-time thing is spent for a grant.
pub(crate) fn spending(spend: &Spend, grant: &Grant) -> [Value; 4] {
    [grant.id.as_str().into(), spend.kind.as_str().into(), spend.handle.as_bytes().into(), spend.now.into()]
}
