//! Two processes over one store, and those who ask them: the real code, in every order of its calls of the store.
//!
//! Each call of the store is two points at which others may go on: until it is there, and until its answer is. So is a
//! request, and its answer, which may be lost. Processes die between any two points, and time passes. A state is reached
//! again from its beginning each time, since a future cannot be copied; it is known by what rests in the store, by what the
//! processes keep, and by all that each actor has learned.

mod ways;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use countersign_core::{
    authorization_server::{AuthorizationServer, Ports, Request, Settings, TokenResponse},
    clock::{SeededRng, Timestamp},
    error::{BearerError, OAuthError},
    form::Form,
    grant_record::Grant,
    key::{KeyPairAlgorithm, SigningChoice},
    names::Subject,
    password::{Argon2Cost, HashingPool, HashingSettings, Password},
    resource_owner::{OwnerStatus, ResourceOwner},
    store::{
        Feed, Grants, HandleHash, KeyRecord, Keys, OpaqueToken, Origin, OwnerRegistry, Redeemed, Standing,
        memory::Memory,
    },
    token::{AccessToken, BearerToken},
    token_format::TokenFormat,
    username::Username,
};

use super::turns::{Fault, Stepped, Turns};

/// The default, in seconds: see `RefreshLifetimes`.
const LEEWAY: u64 = 10;

/// Who asks, and which process first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Actor {
    /// Uses the first refresh token, and again at the other process if the answer is lost.
    Renews(usize),
    /// Has stolen the first refresh token, and uses it once.
    Steals(usize),
    /// Ends the grant by its first refresh token.
    Revokes(usize),
    /// Disables the owner.
    Disables(usize),
    /// Logs in, and uses the access token at the other process.
    LogsIn(usize),
    /// Uses the first access token, so often, and asks who its owner is.
    Calls(usize, usize),
}

impl Actor {
    const fn is_honest_client(self) -> bool {
        matches!(self, Self::Renews(_))
    }
}

/// What was there before: a login, and the key that signed its token.
struct Before {
    hashing: Arc<HashingPool>,
    owner: ResourceOwner,
    keys: Vec<KeyRecord>,
    grant: Grant,
    opaque: Option<OpaqueToken>,
    access: BearerToken,
    refresh: BearerToken,
}

/// What was seen from outside, from which follows what must be.
#[derive(Clone, Debug, Default)]
struct Journal {
    /// By actor, the answers to the first refresh token.
    renewed: BTreeMap<usize, Pair>,
    logged_in: BTreeMap<usize, Pair>,
    first_used_at: Option<i64>,
    first_answered_at: Option<i64>,
    /// Whether somebody may have ended the grant rightly.
    is_ending: bool,
    is_disabling: bool,
    ended: Option<Acknowledged>,
    disabled: Option<Acknowledged>,
    broken: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    access: String,
    refresh: String,
}

/// Where and when it was said that something has ended.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    process: usize,
    at: i64,
}

impl Acknowledged {
    /// Whether a token must be dead at a process to which it is brought at `now`: at once where nobody needs to be told, and
    /// otherwise where that was done; elsewhere in the next second.
    fn is_known(self, format: TokenFormat, process: usize, now: i64) -> bool {
        format == TokenFormat::Opaque || process == self.process || now > self.at
    }
}

/// What runs.
struct Running {
    turns: Arc<Turns>,
    memory: Memory,
    processes: Mutex<[Process; 2]>,
    journal: Mutex<Journal>,
    /// Of each actor, the process that it waits for.
    asks: Vec<Mutex<Option<usize>>>,
    is_lost: Vec<AtomicBool>,
    format: TokenFormat,
    fault: Fault,
    owners_change: bool,
    before: &'static Before,
}

#[derive(Clone)]
struct Process {
    server: Arc<AuthorizationServer>,
    sweeps: Arc<AtomicUsize>,
    /// Which tokens it has verified, in which order.
    verified: u64,
}

/// The result of what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match Box::pin(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn settings(format: TokenFormat) -> Settings {
    Settings {
        token_format: format,
        signing: SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa),
        throttle: None,
        remembered_tokens: 16,
        remembered_owners: 16,
        ..Settings::default()
    }
}

impl Before {
    fn of(format: TokenFormat) -> &'static Self {
        static JWT: OnceLock<Before> = OnceLock::new();
        static OPAQUE: OnceLock<Before> = OnceLock::new();
        let cell = if format == TokenFormat::Jwt { &JWT } else { &OPAQUE };
        cell.get_or_init(|| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(Self::make(format)))
    }

    async fn make(format: TokenFormat) -> Self {
        let cost = HashingSettings {
            threads: NonZeroUsize::MIN,
            queue: 8,
            ..HashingSettings::of_cost(Argon2Cost::weak_for_tests())
        };
        let hashing = Arc::new(HashingPool::new(cost, Arc::new(SeededRng::new(1))).unwrap());
        let owner = ResourceOwner {
            subject: Subject::new("1"),
            username: Username::parse("alice").unwrap(),
            full_name: None,
            email: None,
            scope: "me".parse().unwrap(),
            status: OwnerStatus::Active,
            password_hash: Some(hashing.hash(Password::typed("correct horse").unwrap()).await.unwrap()),
        };
        let (memory, turns) = (Memory::new(), Turns::new(0));
        memory.add_owner(&owner).await.unwrap();
        let ports = Ports {
            store: Arc::new(memory.clone()),
            owners: None,
            hashing: hashing.clone(),
            clock: turns.clone(),
            rng: turns,
            claims: None,
            attempts: None,
        };
        let server = AuthorizationServer::open(ports, settings(format)).await.unwrap();
        let answer = log_in(&server).await.unwrap();
        let (access, refresh) = (answer.access_token, answer.refresh_token.unwrap());
        let grant = memory.list_grants(&owner.subject, None, 1).await.unwrap().remove(0);
        let handle = HandleHash::of(access.secret());
        let opaque = memory.find_opaque_token(&handle).await.unwrap();
        assert_eq!(opaque.is_some(), format == TokenFormat::Opaque);
        let keys = memory.find_keys().await.unwrap();
        Self { hashing, owner, keys, grant, opaque, access, refresh }
    }
}

async fn log_in(server: &AuthorizationServer) -> Result<TokenResponse, OAuthError> {
    let form = Form::parse(b"grant_type=password&username=alice&password=correct+horse&scope=me").unwrap();
    server.token(Request::new(None, &form)).await
}

async fn renew(server: &AuthorizationServer, token: &str) -> Result<TokenResponse, OAuthError> {
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    server.token(Request::new(None, &Form::parse(form.as_bytes()).unwrap())).await
}

impl From<TokenResponse> for Pair {
    fn from(answer: TokenResponse) -> Self {
        let refresh = answer.refresh_token.unwrap();
        Self { access: answer.access_token.secret().to_owned(), refresh: refresh.secret().to_owned() }
    }
}

impl Running {
    fn new(format: TokenFormat, actors: &[Actor], fault: Fault) -> Arc<Self> {
        let before = Before::of(format);
        let (memory, turns) = (Memory::new(), Turns::new(actors.len()));
        now(memory.add_owner(&before.owner)).unwrap();
        now(memory.put_first_key(&before.keys[0])).unwrap();
        let recorded = now(memory.redeem(&Standing::Active, None, &before.grant, before.opaque.as_ref())).unwrap();
        assert_eq!(recorded, Redeemed::Whole);
        let owners_change = actors.iter().any(|actor| matches!(actor, Actor::Disables(_)));
        let open = || Self::open(&memory, &turns, fault, owners_change, before, format);
        Arc::new(Self {
            processes: Mutex::new([open(), open()]),
            asks: actors.iter().map(|_| Mutex::default()).collect(),
            is_lost: actors.iter().map(|_| AtomicBool::default()).collect(),
            turns: turns.clone(),
            memory: memory.clone(),
            journal: Mutex::default(),
            format,
            fault,
            owners_change,
            before,
        })
    }

    fn open(
        memory: &Memory,
        turns: &Arc<Turns>,
        fault: Fault,
        owners_change: bool,
        before: &Before,
        format: TokenFormat,
    ) -> Process {
        let sweeps = Arc::new(AtomicUsize::new(0));
        let (memory, sweeps_of_store) = (memory.clone(), sweeps.clone());
        let store = Stepped { memory, turns: turns.clone(), fault, owners_change, sweeps: sweeps_of_store };
        let ports = Ports {
            store: Arc::new(store),
            owners: None,
            hashing: before.hashing.clone(),
            clock: turns.clone(),
            rng: turns.clone(),
            claims: None,
            attempts: None,
        };
        let server = Arc::new(now(AuthorizationServer::open(ports, settings(format))).unwrap());
        Process { server, sweeps, verified: 0 }
    }

    fn server(&self, process: usize) -> Arc<AuthorizationServer> {
        self.processes.lock().unwrap()[process].server.clone()
    }

    fn journal<T>(&self, write: impl FnOnce(&mut Journal, i64) -> T) -> T {
        write(&mut self.journal.lock().unwrap(), self.turns.seconds())
    }

    fn is_broken(&self, what: &str) {
        self.journal(|journal, at| journal.broken.get_or_insert_with(|| format!("{what}, at second {at}")).len());
    }

    /// Asks a process; `None` if the request, or its answer, is lost.
    async fn ask<T>(
        self: &Arc<Self>,
        actor: usize,
        process: usize,
        request: impl AsyncFn(&AuthorizationServer) -> T,
    ) -> Option<T> {
        *self.asks[actor].lock().unwrap() = Some(process);
        let answer = {
            let mut asked = Box::pin(async {
                self.turns.wait().await;
                let answer = request(&self.server(process)).await;
                self.turns.wait().await;
                answer
            });
            std::future::poll_fn(|context| {
                if self.is_lost[actor].swap(false, Ordering::SeqCst) {
                    return Poll::Ready(None);
                }
                asked.as_mut().poll(context).map(Some)
            })
            .await
        };
        *self.asks[actor].lock().unwrap() = None;
        self.turns.learn(&answer.is_some());
        answer
    }

    async fn act(self: Arc<Self>, number: usize, actor: Actor) {
        match actor {
            Actor::Renews(process) => {
                if !self.renew(number, process, true).await {
                    while !self.renew(number, 1 - process, true).await {}
                }
            }
            Actor::Steals(process) => {
                self.journal(|journal, _| journal.is_ending = true);
                self.renew(number, process, false).await;
            }
            Actor::Revokes(process) => {
                self.journal(|journal, _| journal.is_ending = true);
                let form = format!("token={}", self.before.refresh.secret());
                let form = Form::parse(form.as_bytes()).unwrap();
                let done =
                    self.ask(number, process, async |server| server.revoke(Request::new(None, &form)).await).await;
                if done.is_some_and(|done| done.is_ok()) {
                    self.journal(|journal, at| journal.ended = Some(Acknowledged { process, at }));
                }
            }
            Actor::Disables(process) => {
                self.journal(|journal, _| journal.is_disabling = true);
                let subject = &self.before.owner.subject;
                let done = self
                    .ask(number, process, async |server| server.set_status(subject, OwnerStatus::Disabled).await)
                    .await;
                if done.is_some_and(|done| done.is_ok()) {
                    self.journal(|journal, at| journal.disabled = Some(Acknowledged { process, at }));
                }
            }
            Actor::LogsIn(process) => self.log_in(number, process).await,
            Actor::Calls(process, times) => {
                for _ in 0..times {
                    self.call(number, process, self.before.access.secret(), true).await;
                }
            }
        }
    }

    /// Uses the first refresh token, and says whether that was answered.
    async fn renew(self: &Arc<Self>, number: usize, process: usize, is_honest: bool) -> bool {
        let (begun, begun_at) = self.journal(|journal, at| {
            journal.first_used_at.get_or_insert(at);
            (journal.clone(), at)
        });
        self.turns.learn(&(begun_at, begun.first_answered_at, begun.ended.is_some(), begun.disabled.is_some()));
        let is_old = begun.first_answered_at.is_some_and(|at| begun_at >= at + LEEWAY.cast_signed());
        let token = self.before.refresh.secret();
        let Some(answer) = self.ask(number, process, async |server| renew(server, token).await).await else {
            return false;
        };
        match answer {
            Ok(answer) => {
                let pair = Pair::from(answer);
                if begun.ended.is_some() || begun.disabled.is_some() {
                    self.is_broken("what had ended was renewed");
                }
                if is_old {
                    self.is_broken("a token was answered that was used up before the leeway");
                }
                let others = self.journal(|journal, at| {
                    journal.first_answered_at.get_or_insert(at);
                    journal.renewed.insert(number, pair.clone());
                    journal.renewed.values().any(|other| *other != pair)
                });
                if others {
                    self.is_broken("two uses of a refresh token were answered differently");
                }
            }
            Err(OAuthError::InvalidGrant(_)) => {
                let (is_late, journal) = self.journal(|journal, at| {
                    let first = journal.first_used_at.unwrap_or(at);
                    (at >= first + LEEWAY.cast_signed(), journal.clone())
                });
                if is_honest && !journal.is_ending && !journal.is_disabling && !is_late {
                    self.is_broken("somebody honest was logged out");
                }
                if is_old {
                    self.journal(|journal, at| journal.ended.get_or_insert(Acknowledged { process, at }).at);
                }
                // Whoever comes after the leeway ends the grant, and others hear of it.
                self.journal(|journal, _| journal.is_ending = true);
            }
            Err(other) => self.is_broken(&format!("{other:?}")),
        }
        true
    }

    async fn log_in(self: &Arc<Self>, number: usize, process: usize) {
        let was_disabled = self.journal(|journal, _| journal.disabled.is_some());
        self.turns.learn(&was_disabled);
        match self.ask(number, process, log_in).await {
            None => {}
            Some(Ok(_)) if was_disabled => self.is_broken("a disabled owner logged in"),
            Some(Ok(answer)) => {
                let pair = Pair::from(answer);
                self.journal(|journal, _| journal.logged_in.insert(number, pair.clone()));
                self.call(number, 1 - process, &pair.access, false).await;
            }
            Some(Err(OAuthError::InvalidGrant(_))) if self.journal(|journal, _| journal.is_disabling) => {}
            Some(Err(other)) => self.is_broken(&format!("{other:?}")),
        }
    }

    /// Brings an access token, of the first grant or of a login, and asks for its owner.
    async fn call(self: &Arc<Self>, number: usize, process: usize, token: &str, is_first: bool) {
        let token = BearerToken::new(token);
        let dead = self.journal(|journal, at| {
            let ended = [journal.ended.filter(|_| is_first), journal.disabled];
            ended.into_iter().flatten().any(|ended| ended.is_known(self.format, process, at))
        });
        self.turns.learn(&dead);
        let answer = self
            .ask(number, process, async |server| {
                let verified: Result<AccessToken, BearerError> = server.verify(&token).await;
                match verified {
                    Ok(token) => Ok((server.find_active_owner(&token).await.is_ok(), token)),
                    Err(error) => Err(error),
                }
            })
            .await;
        let (is_ending, is_disabling) =
            self.journal(|journal, _| (journal.is_ending && is_first, journal.is_disabling));
        match answer {
            Some(Ok(_)) if dead => self.is_broken("a token was believed after it was said to have ended"),
            Some(Ok((false, _))) if !is_disabling => self.is_broken("an owner was refused who is active"),
            // Late uses of an old refresh token end a grant too, and it is heard before they are answered.
            Some(Err(_)) if !is_ending && !is_disabling && !self.may_be_late() => {
                self.is_broken("a good token was refused");
            }
            _ => {}
        }
    }

    /// Whether so much time has passed that a second use of the first refresh token ends its grant.
    fn may_be_late(&self) -> bool {
        self.journal(|journal, at| journal.first_used_at.is_some_and(|first| at >= first + LEEWAY.cast_signed()))
    }

    /// The first rule that does not hold in this state.
    fn broken(&self) -> Option<String> {
        let journal = self.journal.lock().unwrap().clone();
        if journal.broken.is_some() {
            return journal.broken;
        }
        let subject = &self.before.owner.subject;
        let grants = now(self.memory.list_grants(subject, None, 100)).unwrap();
        let tokens = self.tokens();
        let lives = |is_over: &dyn Fn(&Grant) -> bool| {
            let of_grant = |token: &&OpaqueToken| match &token.descends_from {
                Origin::Grant(id) => *id == self.before.grant.id,
                Origin::Client(_) => false,
            };
            let tokens = tokens.iter().filter(|token| journal.disabled.is_some() || of_grant(token));
            grants.iter().any(is_over) || tokens.count() > 0
        };
        if journal.disabled.is_some() && lives(&|_| true) {
            return Some("something lives of an owner who is disabled".to_owned());
        }
        if journal.ended.is_some() && lives(&|grant| grant.id == self.before.grant.id) {
            return Some("something lives of a grant that was said to have ended".to_owned());
        }
        let feed = now(self.memory.find_feed(0, 100)).unwrap();
        for process in self.processes.lock().unwrap().iter() {
            let revoked = process.server.revoked();
            let passed = feed.iter().filter(|entry| entry.number <= revoked.number()).count();
            if revoked.len() != passed {
                return Some(format!("of {passed} entries of the feed {} were heard", revoked.len()));
            }
        }
        None
    }

    fn tokens(&self) -> Vec<OpaqueToken> {
        let handles = self.turns.handles();
        handles.iter().filter_map(|handle| now(self.memory.find_opaque_token(handle)).unwrap()).collect()
    }

    /// What must be when all are done, by asking the processes themselves.
    fn broken_at_the_end(&self) -> Option<String> {
        let journal = self.journal.lock().unwrap().clone();
        let newest = journal.renewed.values().next();
        let first =
            Pair { access: self.before.access.secret().to_owned(), refresh: self.before.refresh.secret().to_owned() };
        let ended = journal.disabled.or(journal.ended);
        if ended.is_none() && (journal.is_ending || journal.is_disabling || self.may_be_late()) {
            return None;
        }
        // The last second in which somebody may not have heard of it.
        self.turns.forward(1);
        let mut pairs: Vec<&Pair> = journal.renewed.values().collect();
        pairs.push(&first);
        pairs.extend(journal.logged_in.values().filter(|_| journal.disabled.is_some() || ended.is_none()));
        for process in [0, 1] {
            let server = self.server(process);
            for pair in &pairs {
                let is_believed = now(server.verify(&BearerToken::new(&pair.access))).is_ok();
                if is_believed == ended.is_some() {
                    return Some(format!("process {process} believes a token: {is_believed}; ended: {ended:?}"));
                }
            }
        }
        let renewed = now(renew(&self.server(0), &newest.unwrap_or(&first).refresh));
        if renewed.is_ok() == ended.is_some() {
            return Some(format!("the newest refresh token: {renewed:?}; ended: {ended:?}"));
        }
        None
    }
}

impl Process {
    fn keeps(&self) -> (u64, u64, usize, Option<i64>, usize, u64) {
        let revoked = self.server.revoked();
        let heard_at = revoked.heard_at().map(Timestamp::seconds);
        let sweeps = self.sweeps.load(Ordering::SeqCst);
        (revoked.number(), revoked.generation(), revoked.len(), heard_at, sweeps, self.verified)
    }
}
