//! Whose turn it is: a store, a clock and randomness by which what runs at once runs step by step, the same each time.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Rng, SeededRng, Timestamp},
    grant_record::Grant,
    resource_owner::ResourceOwners,
    store::{Found, Grants, HandleHash, OpaqueToken, Redeemed, Rotated, Spend, Standing, StoreError, memory::Memory},
};

use crate::support::NOW;

/// What all who take turns share.
pub(crate) struct Turns {
    actor: AtomicUsize,
    /// Whether the actor waits for its next turn, and for nothing else.
    waits_for_turn: AtomicBool,
    /// Off while a process starts, which is one step.
    are_taken: AtomicBool,
    seconds: AtomicI64,
    actors: Mutex<Vec<Own>>,
    /// The handles of all opaque tokens that were ever to be recorded.
    handles: Mutex<Vec<HandleHash>>,
}

/// What an actor has for itself.
struct Own {
    /// All that it learned so far: two that learned the same are in the same place.
    learned: u64,
    /// Its own, so that what it draws does not depend on who came first.
    rng: SeededRng,
    last_call: &'static str,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}

impl Turns {
    /// Turns of so many actors, and of one more who makes the rest.
    pub(crate) fn new(actors: usize) -> Arc<Self> {
        let own = |actor| Own { learned: 0, rng: SeededRng::new(actor), last_call: "" };
        Arc::new(Self {
            actor: AtomicUsize::new(actors),
            waits_for_turn: AtomicBool::new(false),
            are_taken: AtomicBool::new(false),
            seconds: AtomicI64::new(NOW.seconds()),
            actors: Mutex::new((0..=actors as u64).map(own).collect()),
            handles: Mutex::default(),
        })
    }

    /// Gives an actor the turn, and says whether it waits for the next one.
    pub(crate) fn give<T>(&self, actor: usize, act: impl FnOnce() -> T) -> (T, bool) {
        let before = self.actor.swap(actor, Ordering::SeqCst);
        self.are_taken.store(true, Ordering::SeqCst);
        self.waits_for_turn.store(false, Ordering::SeqCst);
        let done = act();
        self.are_taken.store(false, Ordering::SeqCst);
        self.actor.store(before, Ordering::SeqCst);
        (done, self.waits_for_turn.load(Ordering::SeqCst))
    }

    /// Waits for the next turn.
    pub(crate) async fn wait(&self) {
        let mut is_next = !self.are_taken.load(Ordering::SeqCst);
        std::future::poll_fn(|_| {
            if is_next {
                return Poll::Ready(());
            }
            is_next = true;
            self.waits_for_turn.store(true, Ordering::SeqCst);
            Poll::Pending
        })
        .await;
    }

    /// The actor learns something on which what it does may depend.
    pub(crate) fn learn(&self, what: &impl fmt::Debug) {
        let mut actors = self.actors.lock().unwrap();
        let own = &mut actors[self.actor.load(Ordering::SeqCst)];
        let mut hasher = DefaultHasher::new();
        (own.learned, format!("{what:?}")).hash(&mut hasher);
        own.learned = hasher.finish();
    }

    pub(crate) fn learned(&self, actor: usize) -> u64 {
        self.actors.lock().unwrap()[actor].learned
    }

    /// The last call of the store that an actor made.
    pub(crate) fn last_call(&self, actor: usize) -> &'static str {
        self.actors.lock().unwrap()[actor].last_call
    }

    pub(crate) fn handles(&self) -> Vec<HandleHash> {
        let mut handles = self.handles.lock().unwrap().clone();
        handles.sort_unstable_by_key(|handle| *handle.as_bytes());
        handles
    }

    pub(crate) fn forward(&self, seconds: u64) {
        self.seconds.fetch_add(seconds.cast_signed(), Ordering::SeqCst);
    }

    /// The time, for who only looks on.
    pub(crate) fn seconds(&self) -> i64 {
        self.seconds.load(Ordering::SeqCst)
    }
}

impl Clock for Turns {
    fn now(&self) -> Timestamp {
        let now = Timestamp::from_seconds(self.seconds());
        self.learn(&now);
        now
    }
}

impl Rng for Turns {
    fn fill(&self, bytes: &mut [u8]) {
        self.actors.lock().unwrap()[self.actor.load(Ordering::SeqCst)].rng.fill(bytes);
    }
}

/// What a store does wrong, so that it is known that it would be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    /// It looks which refresh token is good, and then replaces whichever is.
    LooksThenRotates,
    /// It looks whether the owner is active, and then records whatever came meanwhile.
    LooksThenRedeems,
}

/// A store that is reached by a network: each call takes a turn until it is there, and another until its answer is.
#[derive(Debug)]
pub(crate) struct Stepped {
    pub(crate) memory: Memory,
    pub(crate) turns: Arc<Turns>,
    pub(crate) fault: Fault,
    /// Whether owners change in this world: where they do not, nothing depends on when they are read.
    pub(crate) owners_change: bool,
    pub(crate) sweeps: Arc<AtomicUsize>,
}

impl Stepped {
    async fn call<T: fmt::Debug>(&self, name: &'static str, act: impl Future<Output = T>) -> T {
        let is_constant = match name {
            "find_client" | "has_clients" | "find_keys" => true,
            "find_by_subject" | "find_by_username" => !self.owners_change,
            _ => false,
        };
        if name == "sweep" {
            self.sweeps.fetch_add(1, Ordering::SeqCst);
        }
        if !is_constant {
            self.turns.wait().await;
        }
        let answer = act.await;
        self.turns.learn(&answer);
        if !is_constant {
            self.turns.actors.lock().unwrap()[self.turns.actor.load(Ordering::SeqCst)].last_call = name;
            self.turns.wait().await;
        }
        answer
    }

    fn notes(&self, token: Option<&OpaqueToken>) {
        let mut handles = self.turns.handles.lock().unwrap();
        handles.extend(token.map(|token| token.handle));
    }

    async fn redeem_in_steps(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError> {
        self.notes(token);
        if self.fault != Fault::LooksThenRedeems {
            return self.call("redeem", self.memory.redeem(standing, spend, grant, token)).await;
        }
        let owner = self.call("look", self.memory.find_by_subject(&grant.subject)).await?;
        if !owner.is_some_and(|owner| owner.is_active()) {
            return Ok(Redeemed::OwnerChanged);
        }
        self.call("redeem", self.memory.redeem(&Standing::Elsewhere, spend, grant, token)).await
    }

    async fn rotate_in_steps(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError> {
        self.notes(token);
        if self.fault != Fault::LooksThenRotates {
            return self.call("rotate_refresh", self.memory.rotate_refresh(spent, grant, token)).await;
        }
        let current = |found: Option<Grant>| Some(found?.refresh?.current);
        let seen = current(self.call("look", self.memory.find_grant(&grant.id)).await?);
        if seen != Some(*spent) {
            return Ok(Rotated::No);
        }
        let now = current(self.memory.find_grant(&grant.id).await?).unwrap_or(*spent);
        self.call("rotate_refresh", self.memory.rotate_refresh(&now, grant, token)).await
    }

    async fn put_in_steps(&self, token: &OpaqueToken) -> Result<Found, StoreError> {
        self.notes(Some(token));
        self.call("put_opaque_token", self.memory.put_opaque_token(token)).await
    }
}

/// How a method is called; most are one call of the store in memory.
macro_rules! call {
    ($self:ident.redeem($($argument:ident),*)) => { $self.redeem_in_steps($($argument),*) };
    ($self:ident.rotate_refresh($($argument:ident),*)) => { $self.rotate_in_steps($($argument),*) };
    ($self:ident.put_opaque_token($($argument:ident),*)) => { $self.put_in_steps($($argument),*) };
    ($self:ident.$method:ident($($argument:ident),*)) => {
        $self.call(stringify!($method), $self.memory.$method($($argument),*))
    };
}

macro_rules! stepped {
    ($($port:ident {
        $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*
        $(plain $($default:tt)*)?
    })*) => {$(
        #[async_trait]
        impl $port for Stepped {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                call!(self.$method($($name),*)).await
            })*
        }
    )*};
}

countersign_core::for_each_port!(stepped);
