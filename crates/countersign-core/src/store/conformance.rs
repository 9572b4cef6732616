//! The tests that every store must pass: a function for each fact, and a macro that makes a test of each.
//!
//! ```no_run
//! mod conformance {
//!     use countersign_core::store::memory::Memory;
//!
//!     /// A store, and whatever must live as long as it does.
//!     async fn store() -> (Memory, ()) {
//!         (Memory::new(), ())
//!     }
//!
//!     countersign_core::store_conformance!(store);
//! }
//! # fn main() {}
//! ```
#![expect(clippy::unwrap_used, reason = "a test suite")]
#![expect(missing_docs, reason = "each function is named by the fact that it tests")]

mod clients;
mod epoch;
mod keys;
mod life;
mod owners;
mod redemption;
mod renewal;
pub mod rig;

use std::{future::Future, time::Duration};

use tokio::sync::mpsc;

use crate::{
    client::Client,
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner},
    username::Username,
};

pub use self::{clients::*, epoch::*, keys::*, life::*, owners::*, redemption::*, renewal::*};

/// How many callers race for one thing.
const RACERS: usize = 50;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Makes a test of each fact that every store must keep, named by it. The argument is the path of an `async fn()` that
/// returns a new store and whatever must live as long as it. Needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { $make:
            owners_are_found_by_name_and_subject
            d22_a_name_belongs_to_one_owner
            d4_an_upgrade_replaces_only_the_hash_that_was_verified
            owners_are_listed_in_pages
            a_new_password_or_status_ends_the_grants
            d19_a_changed_password_ends_the_grants_and_undoes_no_other_change
            removed_owners_are_gone_with_their_grants
            clients_come_back_as_they_were_added
            clients_are_listed_in_pages
            a_version_is_another_after_every_change
            h9_no_client_has_the_name_of_an_owner
            h9_of_a_client_and_an_owner_who_race_for_a_name_one_wins
            h8_of_many_rotations_at_once_none_is_lost
            h10_a_disabled_or_removed_client_loses_its_grants
            the_first_key_of_an_algorithm_stays
            i2_of_many_next_keys_one_is_stored
            i3_a_next_key_ends_those_whose_place_it_takes
            i5_a_withdrawn_key_is_gone_and_the_feed_tells_it
            i7_only_a_key_that_rests_plain_is_sealed
            keys_that_are_over_are_swept
            a_grant_is_recorded_and_revoked
            a18_nothing_is_recorded_once_the_owner_changed
            n1_a_one_time_thing_is_spent_once
            a20_of_many_redeemers_one_wins
            e14_a_handle_of_one_kind_is_no_other
            what_has_expired_cannot_be_spent_and_is_swept
            h7_of_many_who_come_with_the_same_thing_one_is_first
            h7_what_is_remembered_is_forgotten_when_it_has_expired
            n6_what_a_client_got_while_the_clock_was_ahead_ends_with_it
            a_grant_that_can_be_renewed_comes_back_as_it_was_recorded
            an_owner_keeps_so_many_grants
            n6_a_forgotten_grant_is_told_of_while_a_clock_may_have_been_ahead
            n1_a_refresh_token_is_rotated_once
            e8_nothing_is_rotated_once_the_grant_has_ended
            whatever_ends_grants_tells_the_feed
            the_feed_is_not_told_of_grants_whose_access_tokens_are_long_over
            a_number_of_the_feed_is_given_once
            opaque_tokens_end_with_their_grant
            f3_a_clients_own_opaque_tokens_end_with_it
            answers_to_retired_refresh_tokens_are_swept
            i8_what_was_before_an_epoch_is_powerless
            i8_an_epoch_is_seen_by_a_server_that_runs
            e3_of_many_uses_at_once_one_successor_lives
            e8_revocation_beats_renewal
            e_grants_live_as_their_model_says
        }
    };
    ($make:path: $($test:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            let (store, _lives) = $make().await;
            $crate::store::conformance::$test(::std::sync::Arc::new(store)).await;
        }
    )+};
}

/// Runs `task` many times at once and gathers what each returned.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(task: impl Fn(usize) -> F) -> Vec<T> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for racer in 0..RACERS {
        let (sender, task) = (sender.clone(), task(racer));
        // Nobody waits for the handle: what counts arrives over the channel, and a lost racer is missed below.
        drop(tokio::spawn(async move { sender.send(task.await).map_err(drop) }));
    }
    drop(sender);
    let mut results = Vec::new();
    while let Some(result) = receiver.recv().await {
        results.push(result);
    }
    assert_eq!(results.len(), RACERS, "a racer was lost");
    results
}

fn owner(name: &str) -> ResourceOwner {
    ResourceOwner {
        subject: Subject::new(format!("subject of {name}")),
        username: Username::parse(name).unwrap(),
        full_name: Some(format!("{name} Wonderland; \"quoted\" 'n' ünïcode")),
        email: None,
        scope: "read:items me".parse().unwrap(),
        status: OwnerStatus::Active,
        password_hash: Some(PasswordHash::new("first")),
    }
}

fn grant(id: &str, subject: &Subject) -> Grant {
    Grant {
        id: GrantId::new(id),
        subject: subject.clone(),
        client_id: ClientId::new(Client::BUILT_IN_ID),
        scope: "me".parse().unwrap(),
        created_at: NOW,
        used_at: NOW,
        access_until: NOW.plus(Duration::from_secs(900)),
        refresh: None,
    }
}
