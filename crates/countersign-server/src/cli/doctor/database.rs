//! What is in the database, counted in pages: the memory that it takes does not grow with its users.

use std::fmt;

use countersign::{
    Argon2Cost, Client, ClientId, Timestamp, Username,
    core::{
        client::{Authentication, ClientType},
        grant_type::GrantType,
        password::{Strength, strength},
        store::{Clients as _, KeyRecord, Keys as _, OwnerRegistry as _},
    },
};
use countersign_sql::Schema;

use crate::{
    failure::Failure,
    store::{self, Database},
};

/// How many users or clients are read at a time.
const PAGE: usize = 500;

/// How many are named of those that something is found of.
const NAMED: usize = 3;

/// What is in the database.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) users: Users,
    pub(super) clients: Clients,
    pub(super) keys: Vec<KeyRecord>,
    pub(super) schema: Schema,
    /// When something was last written of which the time is kept.
    pub(super) newest: Option<Timestamp>,
}

/// Users, by what is found of their hashes.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) all: usize,
    pub(super) disabled: usize,
    /// Of another scheme or cost than a new hash.
    pub(super) outdated: Those,
    pub(super) malformed: Those,
}

/// Clients, by what is found of them.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) disabled: Those,
    /// Active ones that prove who they are by a secret.
    pub(super) with_secret: Those,
    /// Active public ones with the password grant.
    pub(super) public_with_password: Those,
    /// Active ones that have a secret that was replaced and goes on for long.
    pub(super) with_replaced_secret: Those,
}

/// How many there are of something, with the names of the first.
#[derive(Debug, Default)]
pub(super) struct Those {
    pub(super) count: usize,
    names: Vec<String>,
}

impl Those {
    fn add(&mut self, name: &impl fmt::Display) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name.to_string());
        }
    }
}

impl fmt::Display for Those {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.names.join(", "))?;
        match self.count - self.names.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What a new hash costs, and until when a replaced secret may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    pub(super) cost: Argon2Cost,
    pub(super) replaced_until: Timestamp,
}

impl Contents {
    /// Looks into the database, and changes nothing.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(super) async fn read(url: &str, measure: Measure) -> Result<Self, Failure> {
        let store = store::open_to_look(url).await?;
        Ok(Self {
            users: users(&store, measure.cost).await?,
            clients: clients(&store, measure.replaced_until).await?,
            keys: store.find_keys().await?,
            schema: store.schema(),
            newest: store.find_newest_moment().await?,
        })
    }
}

async fn users(store: &Database, cost: Argon2Cost) -> Result<Users, Failure> {
    let (mut users, mut last): (_, Option<Username>) = (Users::default(), None);
    loop {
        let page = store.list_owners(last.as_ref(), PAGE).await?;
        for owner in &page {
            users.all += 1;
            users.disabled += usize::from(!owner.is_active());
            match owner.password_hash.as_ref().map(|hash| strength(hash, cost)) {
                Some(Err(_)) => users.malformed.add(&owner.username),
                Some(Ok(Strength::Outdated)) => users.outdated.add(&owner.username),
                Some(Ok(Strength::Current)) | None => {}
            }
        }
        match page.into_iter().next_back() {
            Some(owner) => last = Some(owner.username),
            None => return Ok(users),
        }
    }
}

async fn clients(store: &Database, replaced_until: Timestamp) -> Result<Clients, Failure> {
    let (mut clients, mut last): (_, Option<ClientId>) = (Clients::default(), None);
    loop {
        let page = store.list_clients(last.as_ref(), PAGE).await?;
        for client in &page {
            clients.add(client, replaced_until);
        }
        match page.into_iter().next_back() {
            Some(client) => last = Some(client.id),
            None => return Ok(clients),
        }
    }
}

impl Clients {
    fn add(&mut self, client: &Client, replaced_until: Timestamp) {
        if !client.is_active() {
            self.disabled.add(&client.id);
            return;
        }
        if client.client_type() == ClientType::Public && client.may_use(GrantType::Password) {
            self.public_with_password.add(&client.id);
        }
        if let Authentication::Secret { secrets, .. } = &client.authentication {
            self.with_secret.add(&client.id);
            if secrets.iter().any(|kept| kept.expires_at.is_some_and(|end| end > replaced_until)) {
                self.with_replaced_secret.add(&client.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Those;

    #[test]
    fn the_first_are_named_and_the_rest_counted() {
        let mut those = Those::default();
        for (name, told) in [("a", "a"), ("b", "a, b"), ("c", "a, b, c"), ("d", "a, b, c and 1 more")] {
            those.add(&name);
            assert_eq!(those.to_string(), told);
        }
        assert_eq!(those.count, 4);
    }
}
