//! Owners that were looked up before, so that the next request of one costs no query.

use std::{
    any::Any,
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::{Rng, Timestamp},
    names::Subject,
    resource_owner::ResourceOwner,
    spread::{Remembered, remembered},
    token::revoked::Revoked,
};

/// How many owners are remembered by default: some 5 MB of them, at half a KB each.
pub const DEFAULT_REMEMBERED_OWNERS: usize = 10_000;

/// How long an owner is remembered: a minute, in which a change that nobody told the feed of stays unseen, and a query a
/// minute for each owner costs nothing. The feed tells of a change for [longer](crate::store::OWNER_CHANGES_TOLD).
pub const REMEMBERED_OWNER_AGE: Duration = Duration::from_secs(60);

/// How many types an owner is kept as: the user of the handlers, and the page of the endpoint.
const VIEWS: usize = 2;

/// An owner as several requests share it. Cloning it is cheap.
#[derive(Clone)]
pub struct SharedOwner(Arc<Shared>);

struct Shared {
    owner: ResourceOwner,
    /// The first of each type that was asked for.
    views: [OnceLock<Arc<dyn Any + Send + Sync>>; VIEWS],
    /// What had been heard of changes before the owner was read.
    read_at: u64,
    read_when: Timestamp,
    /// What had been heard when somebody last looked whether the owner has changed.
    looked_at: AtomicU64,
}

impl SharedOwner {
    /// Shares an owner.
    #[must_use]
    pub fn new(owner: ResourceOwner) -> Self {
        Self::read(owner, 0, Timestamp::from_seconds(0))
    }

    fn read(owner: ResourceOwner, generation: u64, now: Timestamp) -> Self {
        let looked_at = AtomicU64::new(generation);
        let views = [const { OnceLock::new() }; VIEWS];
        Self(Arc::new(Shared { owner, views, read_at: generation, read_when: now, looked_at }))
    }

    /// The owner alone, cloned if others share it.
    #[must_use]
    pub fn into_owner(self) -> ResourceOwner {
        Arc::try_unwrap(self.0).map_or_else(|shared| shared.owner.clone(), |shared| shared.owner)
    }

    /// The owner as another type shows it, made once for all who share the owner and ask for the same type, of the first two
    /// types that are asked for.
    pub fn view<V: Send + Sync + 'static>(&self, make: impl Fn(&ResourceOwner) -> V) -> Arc<V> {
        let kept = self.0.views.iter().find_map(|view| {
            let view = view.get_or_init(|| Arc::new(make(&self.0.owner)));
            if view.is::<V>() { view.clone().downcast().ok() } else { None }
        });
        kept.unwrap_or_else(|| Arc::new(make(&self.0.owner)))
    }

    /// Whether the owner was read within [`REMEMBERED_OWNER_AGE`], by a clock that was not turned meanwhile, and has not
    /// changed since.
    fn is_good(&self, revoked: &Revoked, now: Timestamp) -> bool {
        let Shared { owner, read_at, read_when, looked_at, .. } = &*self.0;
        if now.seconds().abs_diff(read_when.seconds()) >= REMEMBERED_OWNER_AGE.as_secs() {
            return false;
        }
        // Read first: what is heard while it is looked for is looked for again.
        let generation = revoked.generation();
        if looked_at.load(Ordering::Acquire) == generation {
            return true;
        }
        let is_good = !revoked.has_changed(&owner.subject, *read_at);
        if is_good {
            looked_at.store(generation, Ordering::Release);
        }
        is_good
    }
}

impl Deref for SharedOwner {
    type Target = ResourceOwner;

    fn deref(&self) -> &ResourceOwner {
        &self.0.owner
    }
}

impl fmt::Debug for SharedOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedOwner").field(&self.0.owner.subject).finish()
    }
}

/// A bounded memory of active owners of the built-in table, without their password hashes.
///
/// An owner is good until the feed tells of a change, and for [`REMEMBERED_OWNER_AGE`] at most. The row may have been read
/// before a change that was heard before it is remembered; so with each owner is kept what had been heard
/// [before the row was read](Revoked::generation), and a change that was heard after that makes it worthless.
pub(super) struct RememberedOwners(Option<Remembered<Subject, SharedOwner>>);

impl RememberedOwners {
    /// Remembers at most so many owners; with 0 none, and each is looked up anew.
    pub(super) fn new(most: usize, rng: &dyn Rng) -> Self {
        Self((most > 0).then(|| remembered(most, rng)))
    }

    pub(super) fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// The owner named by this subject, if remembered and good.
    pub(super) fn find(&self, subject: &Subject, revoked: &Revoked, now: Timestamp) -> Option<SharedOwner> {
        self.0.as_ref()?.get(subject).filter(|owner| owner.is_good(revoked, now))
    }

    /// Remembers an active owner whose row was read at `now`, when `generation` had been heard.
    pub(super) fn remember(&self, owner: ResourceOwner, generation: u64, now: Timestamp) -> SharedOwner {
        let owner = SharedOwner::read(ResourceOwner { password_hash: None, ..owner }, generation, now);
        if let Some(cache) = &self.0 {
            cache.insert(owner.subject.clone(), owner.clone());
        }
        owner
    }
}

impl fmt::Debug for RememberedOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RememberedOwners({} remembered)", self.0.as_ref().map_or(0, Remembered::len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::System,
        resource_owner::OwnerStatus,
        store::{Ended, FeedEntry, OWNER_CHANGES_TOLD},
        username::Username,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn owner(subject: &str) -> ResourceOwner {
        ResourceOwner {
            subject: Subject::new(subject),
            username: Username::parse("alice").unwrap(),
            full_name: None,
            email: None,
            scope: "me".parse().unwrap(),
            status: OwnerStatus::Active,
            password_hash: None,
        }
    }

    fn changed(number: u64, subject: &str) -> FeedEntry {
        FeedEntry { number, ended: Ended::Owner(Subject::new(subject)), until: NOW.plus(OWNER_CHANGES_TOLD) }
    }

    #[test]
    fn c21_only_what_was_read_after_the_last_change_is_good() {
        let (revoked, remembered) = (Revoked::new(), RememberedOwners::new(10, &System));
        let (alice, bob) = (Subject::new("a"), Subject::new("b"));
        let before = revoked.generation();
        remembered.remember(owner("b"), before, NOW);
        // A feed that begins anew has lower numbers.
        for number in [7, 3] {
            let before = revoked.generation();
            revoked.hear(&[changed(number, "a")]);
            remembered.remember(owner("a"), before, NOW);
            assert!(remembered.find(&alice, &revoked, NOW).is_none(), "the change may not be in it");
            remembered.remember(owner("a"), revoked.generation(), NOW);
            for _ in 0..2 {
                assert!(remembered.find(&alice, &revoked, NOW).is_some());
                assert!(remembered.find(&bob, &revoked, NOW).is_some(), "it is somebody else's");
            }
        }
    }

    #[test]
    fn i8_no_owner_is_good_who_was_read_before_the_store_was_put_back() {
        let (revoked, remembered, alice) = (Revoked::new(), RememberedOwners::new(10, &System), Subject::new("a"));
        let before = revoked.generation();
        remembered.remember(owner("a"), before, NOW);
        let until = NOW.plus(OWNER_CHANGES_TOLD);
        revoked.hear(&[FeedEntry { number: 1, ended: Ended::Everything(NOW), until }]);
        assert!(remembered.find(&alice, &revoked, NOW).is_none());
        remembered.remember(owner("a"), before, NOW);
        assert!(remembered.find(&alice, &revoked, NOW).is_none(), "the row was read before it was heard");
        remembered.remember(owner("a"), revoked.generation(), NOW);
        assert!(remembered.find(&alice, &revoked, NOW).is_some());
    }

    #[test]
    fn c21_a_change_that_is_told_no_more_is_not_forgotten() {
        let (revoked, remembered) = (Revoked::new(), RememberedOwners::new(10, &System));
        remembered.remember(owner("a"), revoked.generation(), NOW);
        revoked.hear(&[changed(1, "a")]);
        // By a clock that runs ahead, and is put right.
        revoked.heard_all(NOW.plus(OWNER_CHANGES_TOLD * 3));
        assert!(revoked.is_empty());
        assert!(remembered.find(&Subject::new("a"), &revoked, NOW).is_none());
    }

    #[test]
    fn n6_an_owner_is_remembered_for_a_minute_by_a_clock_that_is_not_turned() {
        assert!(REMEMBERED_OWNER_AGE < OWNER_CHANGES_TOLD);
        let (revoked, remembered, alice) = (Revoked::new(), RememberedOwners::new(10, &System), Subject::new("a"));
        remembered.remember(owner("a"), 0, NOW);
        for (seconds, good) in [(0, true), (59, true), (60, false), (3600, false)] {
            let by = Duration::from_secs(seconds);
            for now in [NOW.plus(by), NOW.minus(by)] {
                assert_eq!(remembered.find(&alice, &revoked, now).is_some(), good, "{now:?}");
            }
        }
    }

    #[test]
    fn the_memory_is_bounded_and_shows_nobody() {
        let (revoked, remembered) = (Revoked::new(), RememberedOwners::new(100, &System));
        for number in 0..1_000 {
            remembered.remember(owner(&number.to_string()), 0, NOW);
        }
        let kept =
            (0..1_000).filter(|number| remembered.find(&Subject::new(number.to_string()), &revoked, NOW).is_some());
        let kept = kept.count();
        assert!((50..=100).contains(&kept), "{kept}");
        assert_eq!(format!("{remembered:?}"), format!("RememberedOwners({kept} remembered)"));
        assert_eq!(format!("{:?}", SharedOwner::new(owner("a"))), "SharedOwner(Subject(\"a\"))");
        let off = RememberedOwners::new(0, &System);
        off.remember(owner("a"), 0, NOW);
        assert!(off.is_off() && off.find(&Subject::new("a"), &revoked, NOW).is_none());
    }

    #[test]
    fn a_view_is_made_once_for_all_who_share_the_owner() {
        let shared = SharedOwner::new(owner("a"));
        let name = |owner: &ResourceOwner| owner.username.to_string();
        assert!(Arc::ptr_eq(&shared.view(name), &shared.clone().view(name)));
        let subject = |owner: &ResourceOwner| owner.subject.clone();
        assert_eq!(*shared.view(subject), Subject::new("a"), "another view is another");
        assert!(Arc::ptr_eq(&shared.view(subject), &shared.view(subject)), "and kept too");
        assert!(Arc::ptr_eq(&shared.view(name), &shared.view(name)));
        let (third, again) = (shared.view(|owner| owner.scope.clone()), shared.view(|owner| owner.scope.clone()));
        assert_eq!(third, again);
        assert!(!Arc::ptr_eq(&third, &again), "there is room for two");
    }
}
