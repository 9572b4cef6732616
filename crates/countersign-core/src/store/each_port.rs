//! The one list of what a store does, for who hands it on to another store: which is in a URL, or what a test does between.

/// Hands every port of a store to a macro, with its methods, so that a new one is written in its trait, here, and in the
/// stores alone.
///
/// The macro gets `Port { … }` for each of them. What it finds there as `fn method(argument: Type) -> Answer;` is in the trait
/// `async fn method(&self, argument: Type) -> Result<Answer, StoreError>`. At the end stands what has a default, which not
/// everybody hands on: `plain fn` is a `fn` there, and `async fn` is one that cannot fail. The names of all types are in scope.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_port {
    ($macro:ident) => {
        const _: () = {
            use std::{sync::Arc, time::Duration};

            use $crate::{
                client::{Client, ClientSecrets, ClientStatus},
                clock::Timestamp,
                grant_record::Grant,
                names::{ClientId, GrantId, KeyId, Subject},
                password::PasswordHash,
                resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
                store::{
                    Added, Clients, Ended, Epoch, Feed, FeedEntry, Found, Grants, HandleHash, KeyRecord, Keys, OneTime,
                    OneTimeKind, OpaqueToken, OwnerRegistry, Redeemed, Remembered, Rotated, SealedKey, Spend, Standing,
                    StoreError, Succession,
                },
                throttle::Attempts,
                username::Username,
            };

            $macro! {
                ResourceOwners {
                    fn find_by_username(username: &Username) -> Option<ResourceOwner>;
                    fn find_by_subject(subject: &Subject) -> Option<ResourceOwner>;
                    fn upgrade_password(subject: &Subject, from: &PasswordHash, to: &PasswordHash) -> Upgraded;
                }
                OwnerRegistry {
                    fn add_owner(owner: &ResourceOwner) -> Added;
                    fn list_owners(after: Option<&Username>, limit: usize) -> Vec<ResourceOwner>;
                    fn set_password(subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Found;
                    fn change_password(subject: &Subject, from: &PasswordHash, to: &PasswordHash, now: Timestamp) -> Found;
                    fn set_status(subject: &Subject, status: OwnerStatus, now: Timestamp) -> Found;
                    fn remove_owner(subject: &Subject, now: Timestamp) -> Found;
                    plain fn attempts() -> Option<Arc<dyn Attempts>>;
                }
                Clients {
                    fn find_client(id: &ClientId) -> Option<Client>;
                    fn has_clients() -> bool;
                    fn add_client(client: &Client) -> Added;
                    fn list_clients(after: Option<&ClientId>, limit: usize) -> Vec<Client>;
                    fn set_client_status(id: &ClientId, status: ClientStatus, up_to: Timestamp) -> Found;
                    fn rotate_client_secrets(id: &ClientId, from: &ClientSecrets, to: &ClientSecrets) -> Rotated;
                    fn cut_client(id: &ClientId, up_to: Timestamp) -> ();
                    fn remove_client(id: &ClientId, up_to: Timestamp) -> Found;
                }
                Keys {
                    fn find_keys() -> Vec<KeyRecord>;
                    fn put_first_key(key: &KeyRecord) -> Vec<KeyRecord>;
                    fn put_next_key(succession: &Succession) -> Vec<KeyRecord>;
                    fn withdraw_key(id: &KeyId, now: Timestamp, until: Timestamp) -> Found;
                    fn seal_key(id: &KeyId, sealed: &SealedKey) -> Found;
                }
                Grants {
                    fn redeem(
                        standing: &Standing,
                        spend: Option<&Spend>,
                        grant: &Grant,
                        token: Option<&OpaqueToken>
                    ) -> Redeemed;
                    fn rotate_refresh(spent: &HandleHash, grant: &Grant, token: Option<&OpaqueToken>) -> Rotated;
                    fn find_grant(id: &GrantId) -> Option<Grant>;
                    fn list_grants(subject: &Subject, after: Option<&GrantId>, limit: usize) -> Vec<Grant>;
                    fn revoke_grant(id: &GrantId) -> Found;
                    fn revoke_grants_of(subject: &Subject, now: Timestamp) -> usize;
                    fn put_opaque_token(token: &OpaqueToken) -> Found;
                    fn find_opaque_token(handle: &HandleHash) -> Option<OpaqueToken>;
                    fn revoke_opaque_token(handle: &HandleHash) -> Found;
                    fn put_one_time(thing: &OneTime) -> ();
                    fn find_one_time(kind: OneTimeKind, handle: &HandleHash, now: Timestamp) -> Option<OneTime>;
                    fn remember_once(
                        kind: OneTimeKind,
                        handle: &HandleHash,
                        expires_at: Timestamp,
                        now: Timestamp
                    ) -> Remembered;
                    fn sweep(now: Timestamp, leeway: Duration, limit: usize) -> usize;
                }
                Feed {
                    fn find_feed(after: u64, limit: usize) -> Vec<FeedEntry>;
                    fn append_feed(ended: &Ended, until: Timestamp) -> ();
                    fn begin_epoch(now: Timestamp) -> Epoch;
                    plain fn version() -> Option<u64>;
                    async fn wait_for_news(heard: u64) -> u64;
                }
            }
        };
    };
}
