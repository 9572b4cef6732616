//! The ports that a store fills: what must be remembered, as atomic facts.
//!
//! # How to add a store
//! 1. Implement [`ResourceOwners`], [`OwnerRegistry`], [`Clients`], [`Keys`], [`Grants`] and [`Feed`]; [`memory`] is a complete
//!    small one. Every method happens whole or not at all, and has happened for good when it returns `Ok`.
//! 2. Run the conformance suite against it (module `conformance`, feature `testing`): one line a store.

mod each_port;
mod epoch;
pub mod error;
pub mod memory;
mod record;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use self::epoch::Epoch;
pub use self::error::{BoxError, StoreError};
pub use self::record::{
    Ended, FeedEntry, HandleHash, KeyRecord, OneTime, OneTimeKind, OpaqueToken, Origin, PrivateKey, RestingAlgorithm,
    RestingKey, SealedKey, Spend, Succession,
};
use crate::{
    client::{Client, ClientSecrets, ClientStatus},
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners},
    throttle::Attempts,
    username::Username,
};

/// All that countersign asks of a store.
pub trait Store: OwnerRegistry + Clients + Keys + Grants + Feed {}

impl<T: OwnerRegistry + Clients + Keys + Grants + Feed> Store for T {}

/// The built-in table of users: what an operator does with it. Looking them up is [`ResourceOwners`].
///
/// Whatever changes an owner tells the feed in the same write ([`Ended::Owner`], until [`OWNER_CHANGES_TOLD`] after `now`),
/// because owners are remembered by those who looked them up. A better hash of the same password, which nobody remembers,
/// does not.
///
/// Every method fails with [`StoreError`] alone (`temporarily_unavailable`): nothing changed, or it cannot be known.
#[async_trait]
pub trait OwnerRegistry: ResourceOwners {
    /// Adds an owner, unless the name or the subject is taken ([`Added::NameTaken`] either way), or the subject is some
    /// client's name (RFC 9700 §4.15). Two that race for a name: one wins.
    async fn add_owner(&self, owner: &ResourceOwner) -> Result<Added, StoreError>;

    /// At most `limit` owners whose names come after `after`, in the order of their names' bytes.
    async fn list_owners(&self, after: Option<&Username>, limit: usize) -> Result<Vec<ResourceOwner>, StoreError>;

    /// Sets the password and ends the owner's grants, as [`Grants::revoke_grants_of`] does.
    async fn set_password(&self, subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Result<Found, StoreError>;

    /// Sets the password and ends the owner's grants, if the owner still has the hash `from`: in one conditional write, so
    /// that a change by somebody who knew the old password undoes none that came before it ([`Found::No`]).
    async fn change_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
        now: Timestamp,
    ) -> Result<Found, StoreError>;

    /// Disables an owner and ends the owner's grants, or enables one.
    async fn set_status(&self, subject: &Subject, status: OwnerStatus, now: Timestamp) -> Result<Found, StoreError>;

    /// Where failed attempts at secrets are counted, if those who share this store count them together. `None`, the default:
    /// each process counts in its memory.
    fn attempts(&self) -> Option<Arc<dyn Attempts>> {
        None
    }

    /// Removes an owner and the owner's grants.
    async fn remove_owner(&self, subject: &Subject, now: Timestamp) -> Result<Found, StoreError>;
}

/// The registry of clients.
///
/// What was granted to a client may be very much, so a store may end it in several writes, before it returns. Then the first
/// disables or removes the client, and tells the feed; what is renewed meanwhile is told with its end. If not all of them are
/// made, what is left ends before the client, or another of its name, is let in, and when it is disabled or removed again.
///
/// Every method fails with [`StoreError`] alone (`temporarily_unavailable`): nothing changed, or it cannot be known.
#[async_trait]
pub trait Clients: fmt::Debug + Send + Sync + 'static {
    /// The client of this name.
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// Whether any client was registered. Where none was, the built-in one acts.
    async fn has_clients(&self) -> Result<bool, StoreError>;

    /// Registers a client, unless its name is taken: by a client, or by an owner of the built-in table as the subject
    /// (RFC 9700 §4.15). Two that race for a name: one wins.
    async fn add_client(&self, client: &Client) -> Result<Added, StoreError>;

    /// At most `limit` clients whose names come after `after`, in the order of their names' bytes.
    async fn list_clients(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError>;

    /// Disables a client and ends what was granted to it and its own opaque tokens, or enables one. Of a disabled one the feed is told in the same
    /// write: what it got up to `up_to` has ended, and where the clock was ahead before, up to the last use of any of these
    /// grants.
    ///
    /// Of a client's own JWT nothing is recorded, and another process's clock may have been ahead when it gave one: so who
    /// disables a client cuts [later than now](crate::client::registry::set_status).
    async fn set_client_status(
        &self,
        id: &ClientId,
        status: ClientStatus,
        up_to: Timestamp,
    ) -> Result<Found, StoreError>;

    /// Replaces the secrets `from` of a client by `to`, unless they changed meanwhile: two rotations at once never lose
    /// one.
    async fn rotate_client_secrets(
        &self,
        id: &ClientId,
        from: &ClientSecrets,
        to: &ClientSecrets,
    ) -> Result<Rotated, StoreError>;

    /// Tells the feed that what a client got up to `up_to` has ended, whether there is such a client or not.
    async fn cut_client(&self, id: &ClientId, up_to: Timestamp) -> Result<(), StoreError>;

    /// Removes a client, what was granted to it and its own opaque tokens, and tells the feed as [`Clients::set_client_status`] does.
    async fn remove_client(&self, id: &ClientId, up_to: Timestamp) -> Result<Found, StoreError>;
}

/// The keys that tokens are signed with.
///
/// Every method fails with [`StoreError`] alone (`temporarily_unavailable`): nothing changed, or it cannot be known.
#[async_trait]
pub trait Keys: fmt::Debug + Send + Sync + 'static {
    /// All keys, in the order in which they came.
    async fn find_keys(&self) -> Result<Vec<KeyRecord>, StoreError>;

    /// Stores `key` if there is none of its algorithm yet, and returns all keys either way.
    ///
    /// Two processes that start at once on a new store both get the one key that won.
    async fn put_first_key(&self, key: &KeyRecord) -> Result<Vec<KeyRecord>, StoreError>;

    /// Stores a key that takes the place of others, unless another came since, and returns all keys either way.
    ///
    /// In the same write those whose place it takes get their end, [`Succession::retired_until`]: those of its algorithm
    /// that had none; the one that signs, whatever end it had; and those of other algorithms that had none and have signed
    /// since before [`Succession::abandoned_before`]. A key that was withdrawn stays as it is. Of any number of processes
    /// that make a key after the same one, exactly one has its key stored.
    async fn put_next_key(&self, succession: &Succession) -> Result<Vec<KeyRecord>, StoreError>;

    /// Withdraws a key: it verifies nothing from `now` on, its private half is gone, and the feed tells it, in one write.
    /// `until` is when the last token that it signed expires. One that was withdrawn before is not there ([`Found::No`]).
    async fn withdraw_key(&self, id: &KeyId, now: Timestamp, until: Timestamp) -> Result<Found, StoreError>;

    /// Replaces the private half of a key that rests plain by the same, sealed; of any other nothing changes
    /// ([`Found::No`]).
    async fn seal_key(&self, id: &KeyId, sealed: &SealedKey) -> Result<Found, StoreError>;
}

/// Grants and the one-time things that lead to them.
///
/// Every method fails with [`StoreError`] alone (`temporarily_unavailable`): nothing changed, or it cannot be known.
#[async_trait]
pub trait Grants: fmt::Debug + Send + Sync + 'static {
    /// Records `grant` and, in the same write, spends the one-time thing that led to it.
    ///
    /// Happens whole or not at all. A one-time thing is spent by one conditional statement, so that of any number of
    /// callers exactly one gets [`Redeemed::Whole`]. Nothing is recorded unless the owner still has this `standing`, so
    /// that a login in flight leaves nothing behind once its owner was disabled or removed or got another password; and
    /// nothing for a client that is disabled.
    ///
    /// `token` is the opaque access token that descends from it, if it is one; it rests from then on too.
    ///
    /// An owner keeps [`GRANTS_KEPT`] grants: with one that can be renewed, the same write forgets others of the owner beyond so
    /// many, those first that were used the longest ago, [`GRANTS_FORGOTTEN`] at most, and tells the feed as
    /// [`Grants::revoke_grants_of`] does. Whose access tokens may be alive at [`Grant::created_at`], or expired less than
    /// [`SWEEP_MARGIN`] ago, stays. Of an owner who has more than both together it is enough to look at so many.
    async fn redeem(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError>;

    /// Replaces a grant whose refresh token is still `spent` by `grant`, in one conditional write (RFC 9700 §4.14.2).
    ///
    /// Of any number of callers that spend the same token exactly one gets [`Rotated::Yes`], and none does once the
    /// grant has ended. `token` is as in [`Grants::redeem`].
    async fn rotate_refresh(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError>;

    /// The grant of this name, expired or not.
    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError>;

    /// At most `limit` grants of this owner whose names come after `after`, in the order of their names' bytes.
    async fn list_grants(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError>;

    /// Ends a grant with its tokens, and tells the feed.
    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError>;

    /// Ends all grants of an owner with their tokens; says how many there were. They may be many, so the feed is told of those
    /// alone whose access tokens may be good again once a clock is set right: not of those whose access tokens expired
    /// [`CLOCK_AHEAD`] before `now`.
    async fn revoke_grants_of(&self, subject: &Subject, now: Timestamp) -> Result<usize, StoreError>;

    /// Records an opaque access token beside those that its grant, or its client, has; one of a grant that has ended, or of a
    /// client that is gone or disabled, is not recorded ([`Found::No`]).
    async fn put_opaque_token(&self, token: &OpaqueToken) -> Result<Found, StoreError>;

    /// The opaque access token of this handle, expired or not.
    async fn find_opaque_token(&self, handle: &HandleHash) -> Result<Option<OpaqueToken>, StoreError>;

    /// Ends one opaque access token.
    async fn revoke_opaque_token(&self, handle: &HandleHash) -> Result<Found, StoreError>;

    /// Records a one-time thing (an authorization code, a reset link, …), by the hash of its handle, which is random and
    /// so never stands for two.
    async fn put_one_time(&self, thing: &OneTime) -> Result<(), StoreError>;

    /// The one-time thing of this kind and handle, unless it is spent, or expired at `now`.
    async fn find_one_time(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<OneTime>, StoreError>;

    /// Remembers a thing of this kind and handle until `expires_at`, if it is not remembered at `now`. Of any number of
    /// callers exactly one gets [`Remembered::First`]; what was remembered and has expired counts as new.
    async fn remember_once(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError>;

    /// Forgets at most `limit` of each kind of thing that has expired at `now`: grants, the answers to retired refresh
    /// tokens, opaque access tokens, one-time things, entries of the feed, and keys; says how many went.
    ///
    /// Of what has expired less than [`SWEEP_MARGIN`] ago nothing goes yet, but for the answers to refresh tokens that were
    /// used longer ago than `leeway`; a key goes when it last verified longer ago than [`RETIRED_KEYS_KEPT`].
    async fn sweep(&self, now: Timestamp, leeway: Duration, limit: usize) -> Result<usize, StoreError>;
}

/// The feed: what verifiers must not believe any more, in the order in which it ended.
///
/// Whatever ends grants whose access tokens may be alive adds to it in the same write. It is only ever added to; what cannot matter any more is swept.
///
/// Every method fails with [`StoreError`] alone (`temporarily_unavailable`): nothing changed, or it cannot be known.
#[async_trait]
pub trait Feed: fmt::Debug + Send + Sync + 'static {
    /// At most `limit` entries that come after the number `after`, in their order.
    async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError>;

    /// A number that is another after every change in the whole store, whoever made it, as soon as the change is
    /// acknowledged; `None`, the default, if nobody can tell at once: this must wait for no other and for no disk. It is
    /// never [`u64::MAX`].
    ///
    /// What was read after a version is as it was while the version is the same, so that clients need not be read anew.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Waits until somebody, whoever it was, may have added to the feed, and says how often that was so; at once if it was
    /// more often than `heard`, the last such answer (0 at first). What cannot be known, since the store was away, counts.
    ///
    /// The default waits for ever: then nobody is told, and the feed must be asked. It must be asked now and then anyway, for
    /// news may be late.
    async fn wait_for_news(&self, heard: u64) -> u64 {
        let _ = heard;
        std::future::pending().await
    }

    /// Adds an entry for something of which the store keeps no record of its own.
    async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError>;

    /// Makes the past powerless, once the store was put back to an earlier state: nobody knows what was revoked, spent or
    /// withdrawn since. One write:
    /// - every grant and every opaque token is gone, and what is good for one use. What was only
    ///   [remembered](Grants::remember_once) stays, so that nothing comes twice;
    /// - every key that was not is withdrawn at `now`, as [`Keys::withdraw_key`] does it, and the feed tells it for
    ///   [`LONGEST_ACCESS_TOKEN`];
    /// - the numbers of the feed leap to [`Epoch::first_number`], where [`Ended::Everything`] stands, up to `now`, for
    ///   [`LONGEST_ACCESS_TOKEN`]; the keys come after it, in their order.
    ///
    /// Owners and clients are as they were: of what changed since nothing can be known. Nobody should use the store
    /// meanwhile.
    async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError>;
}

/// How long things stay after they have expired: a clock that goes forward by an hour and back again neither loses a grant
/// nor brings back to life what has ended. Nor does one that goes forward by more, for as long, where
/// [`Clock::stopwatch`](crate::clock::Clock::stopwatch) tells how time passes.
pub const SWEEP_MARGIN: Duration = Duration::from_secs(60 * 60);

/// For how long after its last access token has expired the feed is told that a grant has ended with its owner, or was forgotten:
/// a clock that is set right may have been so much ahead, and the token is good again then.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many grants an owner keeps: more than anybody has devices. Without a bound, a script that logs in each time and never
/// renews leaves a grant each time, and all of them have to end with the owner. Of the others the one that was used the longest
/// ago goes first, since a client that renews its grant is a newer use.
pub const GRANTS_KEPT: usize = 1_000;

/// How many grants are forgotten beside one that is recorded, at most: so that one login stays cheap where many more were
/// recorded before.
pub const GRANTS_FORGOTTEN: usize = 256;

/// How long the feed tells of a client: as long as an access token can live.
pub const LONGEST_ACCESS_TOKEN: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the feed tells of a change of an owner: longer than anybody remembers one
/// ([`REMEMBERED_OWNER_AGE`](crate::authorization_server::REMEMBERED_OWNER_AGE)).
pub const OWNER_CHANGES_TOLD: Duration = Duration::from_secs(60 * 60);

/// How long keys stay to be looked at that verify nothing any more.
pub const RETIRED_KEYS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is stored.
    Yes,
    /// The name, or the subject, is somebody's already; nothing changed.
    NameTaken,
}

/// Whether what was to be changed was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was, and is changed.
    Yes,
    /// There is no such thing; nothing changed.
    No,
}

/// Whether something took the place of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The new is stored.
    Yes,
    /// What is stored is not what was read any more, or is gone: nothing changed.
    No,
}

/// Whether something was seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// It was, and is remembered.
    First,
    /// It is remembered already: nothing changed.
    Again,
}

/// What an owner must still be for a grant to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The owner is of the author's own table, of which the store knows nothing.
    Elsewhere,
    /// The owner is of the built-in table and active.
    Active,
    /// The owner is of the built-in table, active, and has this password hash.
    ActiveWith(PasswordHash),
}

/// What became of a redemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// Spent and recorded.
    Whole,
    /// The one-time thing is unknown, expired, or spent: nothing changed.
    AlreadySpent,
    /// The owner has not this standing any more, or the client is disabled: nothing changed.
    OwnerChanged,
}
