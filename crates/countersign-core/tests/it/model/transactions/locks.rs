//! Which locks are needed: without each, what breaks is found; with all, nothing is.

use super::{
    super::{
        explorer::{Explored, explore},
        is_large,
    },
    jobs::{End, Feed, Job, RIGHT, Redeem, Retry, Rotate, Store},
    world::World,
};

/// One of each, and two who renew at once.
const ALL: [Job; 6] =
    [Job::LogIn(0), Job::Renew(0), Job::Renew(1), Job::Revoke(1), Job::LogOutEverywhere(0), Job::Disable(1)];

#[track_caller]
fn holds(jobs: &[Job], deaths: u8) -> Explored {
    let explored = explore(&World::new(RIGHT, jobs, deaths)).unwrap_or_else(|how| panic!("{how}"));
    println!("{jobs:?}, {deaths} deaths: {explored:?}");
    explored
}

#[track_caller]
fn breaks(store: Store, jobs: &[Job], what: &str) {
    let how = explore(&World::new(store, jobs, 0)).expect_err("nothing was found");
    println!("{how}\n");
    assert!(how.starts_with(what), "{how}");
    holds(jobs, 0);
}

#[test]
fn n11_without_a_lock_on_the_owner_a_login_in_flight_outlives_its_end() {
    let store = Store { redeem: Redeem::LooksOnly, ..RIGHT };
    breaks(store, &[Job::LogIn(0), Job::Disable(1)], "Disable(1) was acknowledged, and something of it lives");
}

#[test]
fn n11_a_look_before_the_write_gives_two_successors() {
    let store = Store { rotate: Rotate::LooksThenWrites, ..RIGHT };
    breaks(store, &[Job::Renew(0), Job::Renew(1)], "one refresh token has two successors");
}

#[test]
fn n11_without_a_lock_on_the_grant_the_token_of_a_retry_outlives_it() {
    let store = Store { retry: Retry::LooksOnly, ..RIGHT };
    breaks(store, &[Job::Renew(0), Job::Renew(1), Job::Revoke(1)], "the token of job 1 outlives its grant");
}

#[test]
fn n11_without_the_lock_of_the_feed_its_readers_skip_entries() {
    let store = Store { feed: Feed::NotLocked, ..RIGHT };
    breaks(store, &[Job::Revoke(0), Job::Disable(1)], "a reader of the feed has skipped an entry");
}

#[test]
fn n11_a_lock_of_the_feed_that_comes_late_is_waited_for_in_a_circle() {
    let store = Store { feed: Feed::LockedWhenTold, ..RIGHT };
    breaks(store, &[Job::LogOutEverywhere(0), Job::Disable(1)], "each waits for another");
}

#[test]
fn n11_what_is_told_before_it_is_deleted_is_not_all_that_ends() {
    let store = Store { end: End::ThreeStatements, ..RIGHT };
    // A login that comes between, and a renewal whose access token lives longer than was told.
    for other in [Job::LogIn(0), Job::Renew(0)] {
        breaks(store, &[other, Job::LogOutEverywhere(1)], "grant ");
    }
}

#[test]
fn n11_tokens_that_go_in_the_same_statement_as_their_grant_are_not_all_there_are() {
    let store = Store { end: End::OneStatement, ..RIGHT };
    breaks(store, &[Job::Renew(0), Job::Revoke(1)], "the token of job 0 outlives its grant");
}

/// All choices of `size` of the jobs.
fn choices(size: u32) -> impl Iterator<Item = Vec<Job>> {
    let chosen = (0..1_u32 << ALL.len()).filter(move |chosen| chosen.count_ones() == size);
    chosen.map(|chosen| (0..ALL.len()).filter(|job| chosen >> job & 1 == 1).map(|job| ALL[job]).collect())
}

#[test]
fn n11_with_every_lock_nothing_breaks_at_read_committed() {
    let sizes = if is_large() { [(6, 0), (4, 1)] } else { [(4, 0), (3, 1)] };
    for (size, deaths) in sizes {
        let states: usize = choices(size).map(|jobs| holds(&jobs, deaths).states).sum();
        println!("{size} of {} jobs, {deaths} deaths: {states} states", ALL.len());
    }
}
