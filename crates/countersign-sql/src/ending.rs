//! What was granted to a client ends a part at a time, whichever the engine: it may be very much, and others come for the same
//! writer, rows and connections.
//!
//! The client is disabled, or gone, and the feed is told, before the first part: whatever keeps a part from ending, nothing is
//! granted any more. What is renewed meanwhile ends with a part that tells the feed of that use. Who is killed in between leaves
//! a rest, which ends before the client, or another of its name, is let in.

use std::time::Duration;

use countersign_core::{
    client::ClientStatus,
    clock::Timestamp,
    names::ClientId,
    store::{Found, StoreError},
};
use tokio::runtime::Handle;

use crate::{
    facts::cut,
    rows::{self, Value},
    statements as sql,
};

/// How many grants, and how many of the client's own tokens, end in one write.
pub(crate) const PART: usize = 3_000;

/// How many tokens of these grants end with them; a grant that has more stays for the next write. More than a part has grants, so
/// that one token of each does not take another write.
pub(crate) const TOKENS_OF_PART: usize = 2 * PART;

/// What is done to a client in the registry.
#[derive(Clone)]
pub(crate) enum Change {
    /// It is added, with these values.
    Add(Vec<Value>),
    SetStatus(ClientStatus),
    Remove,
}

impl Change {
    /// The statement that makes it, with its values.
    pub(crate) fn of(&self, id: &ClientId) -> (&'static str, Vec<Value>) {
        let id = Value::from(id.as_str());
        match self {
            Self::Add(values) => (sql::ADD_CLIENT, values.clone()),
            Self::SetStatus(status) => (sql::SET_CLIENT_STATUS, vec![rows::client_status_name(*status).into(), id]),
            Self::Remove => (sql::REMOVE_CLIENT, vec![id]),
        }
    }
}

/// What was granted to a client, while it ends.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) id: ClientId,
    /// Up to when it ends as it was told, or the last use of any of it, if that is later: the clock was ahead.
    until: Timestamp,
    /// Up to when the feed was told that it has ended.
    told: Option<Timestamp>,
}

impl Ending {
    /// What the feed is told first of all, or with a part that was used last then, unless it was told before: up to `until`, or up
    /// to that use.
    pub(crate) fn tell(&mut self, last_use: Option<Timestamp>) -> Option<Vec<Value>> {
        let up_to = last_use.map_or(self.until, |last_use| last_use.max(self.until));
        if self.told >= Some(up_to) {
            return None;
        }
        self.told = Some(up_to);
        Some(cut(&self.id, up_to))
    }
}

/// What an engine does of it: each a transaction of its own.
///
/// Whoever looks whether there is a rest, and decides by that, is the only one of this client until the transaction's end.
pub(crate) trait EndsInParts: Clone + Send + Sync + 'static {
    /// How long others have the database to themselves between two parts.
    const PAUSE: Duration;

    /// When what was granted to a client was last used.
    fn find_last_use(&self, id: &ClientId) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    /// Makes a change that lets a client out, and tells the feed; also of a rest that is left of one that is gone. Says whether
    /// there was a client to change, and what there is to end.
    fn begin_to_end(
        &self,
        ending: Ending,
        change: Change,
    ) -> impl Future<Output = Result<(Found, Option<Ending>), StoreError>> + Send;

    /// Ends a part of a rest, if there is one, and says what is left. Whoever let the client in meanwhile has ended the rest.
    fn end_part(&self, ending: Ending) -> impl Future<Output = Result<Option<Ending>, StoreError>> + Send;

    /// Makes a change that lets a client in, and says how many rows changed. `None`: there is a rest, and nothing changed.
    fn change_without_rest(
        &self,
        id: &ClientId,
        change: &Change,
    ) -> impl Future<Output = Result<Option<usize>, StoreError>> + Send;
}

/// Disables or removes a client, and ends what it got up to a moment, also if the caller goes away meanwhile. What is left of
/// one that is gone ends too.
pub(crate) async fn let_out(
    store: &impl EndsInParts,
    id: &ClientId,
    up_to: Timestamp,
    change: Change,
) -> Result<Found, StoreError> {
    let (store, id, ending) = (store.clone(), id.clone(), begin(store, id, up_to).await?);
    let ending = async move {
        let until = ending.until;
        let (found, rest) = store.begin_to_end(ending, change).await?;
        if found == Found::Yes && until > up_to {
            tracing::warn!(event = "client_cut", outcome = "later", client = %id, until = until.seconds(),
                "a clock was ahead once: what the client got has ended up to a moment that is still to come, and it gets \
                nothing until then, also if it is let in again");
        }
        end(&store, rest).await?;
        Ok(found)
    };
    match Handle::try_current() {
        Ok(runtime) => runtime.spawn(ending).await.unwrap_or_else(|gone| Err(StoreError::unavailable(gone))),
        // Outside of a runtime, where no task can be, it is the caller's.
        Err(_) => ending.await,
    }
}

/// Adds or enables a client, once nothing is left of what was granted to one of this name; says how many rows changed.
pub(crate) async fn let_in(
    store: &impl EndsInParts,
    id: &ClientId,
    now: Timestamp,
    change: Change,
) -> Result<usize, StoreError> {
    loop {
        match store.change_without_rest(id, &change).await? {
            Some(changed) => return Ok(changed),
            None => end(store, Some(begin(store, id, now).await?)).await?,
        }
    }
}

/// What ends up to a moment, or where the clock was ahead, up to the last use. Looked for before the first write: whoever
/// renews after that is told of with the part.
async fn begin(store: &impl EndsInParts, id: &ClientId, up_to: Timestamp) -> Result<Ending, StoreError> {
    let last_use = store.find_last_use(id).await?;
    Ok(Ending { id: id.clone(), until: last_use.map_or(up_to, |last| last.max(up_to)), told: None })
}

/// Ends the rest, with pauses in between.
async fn end<Store: EndsInParts>(store: &Store, mut rest: Option<Ending>) -> Result<(), StoreError> {
    while let Some(ending) = rest {
        rest = store.end_part(ending).await?;
        if rest.is_some() && !Store::PAUSE.is_zero() && Handle::try_current().is_ok() {
            tokio::time::sleep(Store::PAUSE).await;
        }
    }
    Ok(())
}
