//! Races and long runs through an authorization server over a store, of any size: for tests of stores, and for figures.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{NOW, RACERS, owner, race};
use crate::{
    authorization_server::{AuthorizationServer, Ports, RefreshLifetimes, Request, Settings, TokenResponse},
    clock::{SeededRng, TurnableClock},
    error::{GrantProblem, OAuthError},
    form::Form,
    key::{KeyPairAlgorithm, SigningChoice},
    password::{Argon2Cost, HashingPool, HashingSettings, Password},
    resource_owner::ResourceOwner,
    store::Store,
    token::BearerToken,
};

pub(super) const REFRESH: RefreshLifetimes = RefreshLifetimes {
    idle: Duration::from_secs(100),
    absolute: Duration::from_secs(300),
    leeway: Duration::from_secs(10),
};

pub(super) const ACCESS: Duration = Duration::from_secs(30);

/// A store with one user, and servers over it that share a clock.
pub(super) struct World<S> {
    pub(super) store: Arc<S>,
    hashing: Arc<HashingPool>,
    pub(super) clock: Arc<TurnableClock>,
    pub(super) rng: Arc<SeededRng>,
}

impl<S: Store> World<S> {
    pub(super) async fn new(store: Arc<S>, seed: u64) -> Self {
        let rng = Arc::new(SeededRng::new(seed));
        let cost = HashingSettings {
            threads: NonZeroUsize::MIN,
            queue: 8,
            ..HashingSettings::of_cost(Argon2Cost::weak_for_tests())
        };
        let hashing = Arc::new(HashingPool::new(cost, rng.clone()).unwrap());
        let hash = hashing.hash(Password::typed("correct horse").unwrap()).await.unwrap();
        let alice = ResourceOwner { password_hash: Some(hash), ..owner("alice") };
        store.add_owner(&alice).await.unwrap();
        Self { store, hashing, clock: Arc::new(TurnableClock::at(NOW)), rng }
    }

    /// A server over the store, as one that starts anew.
    pub(super) async fn server(&self) -> Arc<AuthorizationServer> {
        self.server_over(self.store.clone()).await
    }

    /// A server over what is the same store, reached another way.
    async fn server_over(&self, store: Arc<S>) -> Arc<AuthorizationServer> {
        let ports = Ports {
            store,
            owners: None,
            hashing: self.hashing.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            claims: None,
            attempts: None,
        };
        let settings = Settings {
            access_token_lifetime: ACCESS,
            refresh: REFRESH,
            signing: SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa),
            ..Settings::default()
        };
        Arc::new(AuthorizationServer::open(ports, settings).await.unwrap())
    }
}

pub(super) type Answer = Result<TokenResponse, OAuthError>;

pub(super) async fn log_in(server: &AuthorizationServer) -> TokenResponse {
    let form = Form::parse(b"grant_type=password&username=alice&password=correct+horse&scope=me").unwrap();
    server.token(Request::new(None, &form)).await.unwrap()
}

pub(super) async fn renew(server: &AuthorizationServer, token: &BearerToken) -> Answer {
    let form = format!("grant_type=refresh_token&refresh_token={}", token.secret());
    server.token(Request::new(None, &Form::parse(form.as_bytes()).unwrap())).await
}

pub(super) async fn revoke(server: &AuthorizationServer, token: &BearerToken) {
    let form = Form::parse(format!("token={}", token.secret()).as_bytes()).unwrap();
    server.revoke(Request::new(None, &form)).await.unwrap();
}

pub(super) fn refresh_token(answer: &TokenResponse) -> &BearerToken {
    answer.refresh_token.as_ref().unwrap()
}

#[track_caller]
pub(super) fn assert_refused(answer: Answer, why: &str) {
    let refused = answer.expect_err(why);
    assert_eq!(refused, OAuthError::InvalidGrant(GrantProblem::RefreshToken), "{why}");
}

/// Uses the refresh tokens of many grants, each fifty times at once, and checks that all get one answer, whose refresh
/// token alone is good.
pub async fn race_renewals(store: Arc<impl Store>, grants: usize) {
    race_renewals_over(&[store], grants).await;
}

/// As [`race_renewals`], where each store is the same reached another way, and the uses go to servers over all of them.
pub async fn race_renewals_over(stores: &[Arc<impl Store>], grants: usize) {
    let world = World::new(stores[0].clone(), 1).await;
    let mut servers = Vec::new();
    for store in stores {
        servers.push(world.server_over(store.clone()).await);
    }
    let server = servers[0].clone();
    for _ in 0..grants {
        let first = log_in(&server).await;
        let answers = race(|racer| {
            let (server, token) = (servers[racer % servers.len()].clone(), refresh_token(&first).clone());
            async move { renew(&server, &token).await.unwrap() }
        })
        .await;
        let all = |of: fn(&TokenResponse) -> &BearerToken| {
            let mut all: Vec<_> = answers.iter().map(|answer| of(answer).secret()).collect();
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        assert_eq!((all(refresh_token), all(|answer| &answer.access_token)), (1, 1), "{RACERS} got one answer");
        world.clock.forward(REFRESH.leeway);
        let second = renew(&server, refresh_token(&answers[0])).await.unwrap();
        // What was used up comes back after the leeway: a theft, which ends all of it.
        assert_refused(renew(&server, refresh_token(&first)).await, "used up");
        assert_refused(renew(&server, refresh_token(&second)).await, "its grant has ended");
        assert!(server.verify(&second.access_token).await.is_err());
    }
}

/// Renews and revokes many grants, each at the same time, and checks that nothing lives on.
pub async fn race_revocations(store: Arc<impl Store>, grants: usize) {
    let world = World::new(store, 2).await;
    let server = world.server().await;
    for _ in 0..grants {
        let first = log_in(&server).await;
        let token = refresh_token(&first).clone();
        let renewal = tokio::spawn({
            let (server, token) = (server.clone(), token.clone());
            async move { renew(&server, &token).await }
        });
        let revocation = tokio::spawn({
            let (server, token) = (server.clone(), token.clone());
            async move { revoke(&server, &token).await }
        });
        revocation.await.unwrap();
        assert_refused(renew(&server, &token).await, "revoked");
        assert!(server.verify(&first.access_token).await.is_err());
        let Ok(renewed) = renewal.await.unwrap() else { continue };
        assert_refused(renew(&server, refresh_token(&renewed)).await, "its grant was revoked");
        assert!(server.verify(&renewed.access_token).await.is_err(), "no token outlives the revocation");
    }
}

/// Renews grants in rounds, all at once in each, and says after each round how often that was done; a second passes
/// between two rounds.
pub async fn renew_in_rounds(store: Arc<impl Store>, grants: usize, rounds: usize, mut after: impl FnMut(usize)) {
    let world = World::new(store, 3).await;
    let server = world.server().await;
    let mut tokens = Vec::new();
    for _ in 0..grants {
        tokens.push(refresh_token(&log_in(&server).await).clone());
    }
    for round in 1..=rounds {
        // Every life ends: the oldest log in again.
        if round % REFRESH.absolute.as_secs() as usize == 0 {
            for token in &mut tokens {
                *token = refresh_token(&log_in(&server).await).clone();
            }
        }
        let renewals = tokens.iter().map(|token| {
            let (server, token) = (server.clone(), token.clone());
            tokio::spawn(async move { refresh_token(&renew(&server, &token).await.unwrap()).clone() })
        });
        let renewals: Vec<_> = renewals.collect();
        tokens.clear();
        for renewal in renewals {
            tokens.push(renewal.await.unwrap());
        }
        world.clock.forward(Duration::from_secs(1));
        after(round * grants);
    }
}
