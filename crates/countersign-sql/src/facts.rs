//! What both engines write for the same fact, and decide by what they find, whichever way each makes it one.

use countersign_core::{
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, Subject},
    store::{
        CLOCK_AHEAD, Ended, Found, GRANTS_FORGOTTEN, GRANTS_KEPT, LONGEST_ACCESS_TOKEN, OWNER_CHANGES_TOLD,
        SWEEP_MARGIN, Spend, Standing,
    },
};

use crate::{
    rows::{self, LastUse, Value},
    statements as sql,
};

/// What a write decided.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    /// What it wrote stays.
    Keep(T),
    /// What it wrote is undone; it is no failure.
    Undo(T),
}

/// What the feed is told of an owner who changes at `now`.
pub(crate) fn owner_changed(subject: &Subject, now: Timestamp) -> Vec<Value> {
    rows::feed_values(&Ended::Owner(subject.clone()), now.plus(OWNER_CHANGES_TOLD))
}

/// Whoever's access tokens expired by then has none that is alive at `now`.
pub(crate) const fn long_over(now: Timestamp) -> Timestamp {
    now.minus(SWEEP_MARGIN)
}

/// Whose access tokens expired before this is not told of, even where the clock was ahead.
pub(crate) const fn told_after(now: Timestamp) -> Timestamp {
    now.minus(CLOCK_AHEAD)
}

/// How many grants of an owner are looked at to find what is beyond those that are kept.
pub(crate) const LOOKED_AT: usize = GRANTS_KEPT + GRANTS_FORGOTTEN;

/// Which of an owner's grants are forgotten: of those that were looked at, the ones beyond so many that were used later, if
/// nothing of them may be alive at `now`.
pub(crate) fn excess(mut looked_at: Vec<LastUse>, now: Timestamp) -> impl Iterator<Item = LastUse> {
    looked_at.sort_unstable_by(|a, b| (b.used_at, &b.id).cmp(&(a.used_at, &a.id)));
    let beyond = looked_at.into_iter().skip(GRANTS_KEPT);
    beyond.filter(move |grant| grant.access_until <= long_over(now))
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
