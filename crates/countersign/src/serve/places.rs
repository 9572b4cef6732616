//! Places for connections: as many as there may be in all, and so many of them for one source, and for one site.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{meters::ConnectionMeters, throttle::Source};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::source::Network;

/// The part of all places that one source may have, where nobody says how many.
const PART_OF_ONE: u32 = 4;

/// The part of all places that one site may have, which is 65,536 sources of IPv6; but always twice as many as one source.
const PART_OF_SITE: u32 = 2;

/// How long the log is silent about what it told.
const SILENCE: Duration = Duration::from_secs(60);

/// The places of a server.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// Who speaks for many, and may have all places.
    proxies: Vec<Network>,
    most_of_one: u32,
    most_of_site: u32,
    taken: Arc<Taken>,
    told_of_full: Told,
    told_of_source: Told,
}

/// Who has the places that are taken.
#[derive(Debug, Default)]
struct Taken {
    /// By what counts as one; who has none is not there.
    by_group: Mutex<BTreeMap<Group, u32>>,
    meters: ConnectionMeters,
}

/// What counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Source([u8; 16]),
    /// What one customer may have: many sources of IPv6.
    Site([u8; 16]),
}

/// A place among all, which nobody has yet.
pub(super) struct Free(OwnedSemaphorePermit);

/// A place that somebody has, until it is dropped.
pub(super) struct Place {
    groups: Option<[Group; 2]>,
    taken: Arc<Taken>,
    _free: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(all: u32, of_one: Option<u32>, proxies: Vec<Network>) -> Self {
        let most_of_one = of_one.unwrap_or(all / PART_OF_ONE).max(1);
        Self {
            all: Arc::new(Semaphore::new(all as usize)),
            proxies,
            most_of_one,
            most_of_site: most_of_one.saturating_mul(2).max(all / PART_OF_SITE),
            taken: Arc::default(),
            told_of_full: Told::default(),
            told_of_source: Told::default(),
        }
    }

    /// A free place, as soon as there is one.
    pub(super) async fn free(&mut self) -> Option<Free> {
        if let Ok(free) = self.all.clone().try_acquire_owned() {
            return Some(Free(free));
        }
        self.taken.meters.full();
        if self.told_of_full.tell() {
            tracing::warn!(
                event = "connections",
                outcome = "full",
                "all places are taken: whoever comes waits until another goes"
            );
        }
        // The semaphore is never closed.
        self.all.clone().acquire_owned().await.ok().map(Free)
    }

    /// Gives the place to who has come, unless their source or their site has as many as it may.
    pub(super) fn give(&mut self, free: Free, peer: IpAddr) -> Option<Place> {
        let source = Source::of(peer);
        let speaks_for_many = self.proxies.iter().any(|proxy| proxy.contains(peer));
        let groups = if speaks_for_many { None } else { groups(source) };
        let taken = self.taken.clone();
        let mut by_group = taken.by_group();
        for group in groups.iter().flatten() {
            let most = match group {
                Group::Source(_) => self.most_of_one,
                Group::Site(_) => self.most_of_site,
            };
            if by_group.get(group).is_some_and(|has| *has >= most) {
                drop(by_group);
                self.refuse(source, most);
                return None;
            }
        }
        for group in groups.iter().flatten() {
            *by_group.entry(*group).or_default() += 1;
        }
        drop(by_group);
        taken.meters.opened();
        Some(Place { groups, taken, _free: free.0 })
    }

    fn refuse(&mut self, source: Source, most: u32) {
        self.taken.meters.refused();
        if self.told_of_source.tell() {
            tracing::warn!(
                event = "connections",
                outcome = "refused",
                %source,
                most,
                "a source, or its site, has as many connections as it may: the next is closed; a proxy must be named as \
                 trusted"
            );
        }
    }
}

/// What a connection from there counts for. Of IPv4 both are the address.
fn groups(source: Source) -> Option<[Group; 2]> {
    Some([Group::Source(source.network()?), Group::Site(source.site()?)])
}

impl Taken {
    fn by_group(&self) -> MutexGuard<'_, BTreeMap<Group, u32>> {
        self.by_group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.meters.closed();
        let mut by_group = self.taken.by_group();
        for group in self.groups.iter().flatten() {
            if let Some(has) = by_group.get_mut(group) {
                *has -= 1;
                if *has == 0 {
                    by_group.remove(group);
                }
            }
        }
    }
}

/// When the log was told of something that may happen with every connection.
#[derive(Debug, Default)]
struct Told(Option<Instant>);

impl Told {
    /// Whether it is time to tell of it again.
    fn tell(&mut self) -> bool {
        let is_due = self.0.is_none_or(|told| told.elapsed() >= SILENCE);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn come(places: &mut Places, address: &str) -> Option<Place> {
        let free = places.free().await.expect("places");
        places.give(free, address.parse().expect("an address"))
    }

    #[tokio::test]
    async fn m4_one_source_has_a_quarter_of_the_places_and_no_more() {
        let mut places = Places::new(8, None, Vec::new());
        for (first, same, other) in
            [("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")]
        {
            let had = [come(&mut places, first).await, come(&mut places, same).await];
            assert!(had.iter().all(Option::is_some), "{first}");
            for again in [first, same] {
                assert!(come(&mut places, again).await.is_none(), "{again}");
            }
            assert!(come(&mut places, other).await.is_some(), "{other}");
            drop(had);
            assert!(come(&mut places, same).await.is_some(), "one has gone");
        }
        assert_eq!(places.all.available_permits(), 8);
        assert!(places.taken.by_group().is_empty(), "who has gone is forgotten");
    }

    #[tokio::test]
    async fn m4_one_site_has_half_of_the_places_or_twice_as_many_as_a_source_if_that_is_more() {
        for (of_one, of_site) in [(None, 4), (Some(1), 4), (Some(3), 6), (Some(8), 8)] {
            let mut places = Places::new(8, of_one, Vec::new());
            let mut had = Vec::new();
            for subnet in 0..of_site {
                had.push(come(&mut places, &format!("2001:db8:1:{subnet:x}::1")).await.expect("a place of the site"));
            }
            if of_site < 8 {
                assert!(come(&mut places, "2001:db8:1:ffff::1").await.is_none(), "{of_one:?}");
                assert!(come(&mut places, "2001:db8:2::1").await.is_some(), "another site");
                had.pop();
                let next = come(&mut places, "2001:db8:1:ffff::1").await;
                assert!(next.is_some(), "one has gone, and who was refused left nothing behind");
            }
            drop(had);
            assert!(places.taken.by_group().is_empty(), "who has gone is forgotten");
        }
    }

    #[tokio::test]
    async fn m4_a_trusted_proxy_speaks_for_many() {
        let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        let mut places = Places::new(4, Some(1), proxies);
        let mut had = Vec::new();
        for _ in 0..3 {
            had.push(come(&mut places, "10.1.2.3").await.expect("a place"));
        }
        had.push(come(&mut places, "192.0.2.1").await.expect("a place"));
        had.pop();
        let next = come(&mut places, "192.0.2.1").await;
        assert!(next.is_some() && come_now(&mut places).is_none(), "and all is all");
    }

    fn come_now(places: &mut Places) -> Option<OwnedSemaphorePermit> {
        places.all.clone().try_acquire_owned().ok()
    }

    #[tokio::test]
    async fn a_source_may_have_one_place_at_least() {
        for of_one in [None, Some(0)] {
            let mut places = Places::new(2, of_one, Vec::new());
            let first = come(&mut places, "192.0.2.1").await;
            assert!(first.is_some() && come(&mut places, "192.0.2.1").await.is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_told_once_a_minute() {
        let mut told = Told::default();
        assert!(told.tell() && !told.tell());
        tokio::time::advance(SILENCE).await;
        assert!(told.tell() && !told.tell());
    }
}
