//! Whole lives of grants: races, and a model that says what must come.

use std::{sync::Arc, time::Duration};

use super::{
    owner,
    rig::{
        ACCESS, REFRESH, World, assert_refused, log_in, race_renewals, race_revocations, refresh_token, renew, revoke,
    },
};
use crate::{
    authorization_server::{AuthorizationServer, Request, TokenResponse},
    clock::{Clock, Rng, Timestamp},
    error::{GrantProblem, OAuthError},
    form::Form,
    resource_owner::OwnerStatus,
    store::Store,
    token::BearerToken,
};

/// How many grants race, and how many lives are lived, each of so many steps.
const GRANTS: usize = 10;
const REVOCATIONS: usize = 100;
const LIVES: u64 = 16;
const STEPS: usize = 80;

pub async fn e3_of_many_uses_at_once_one_successor_lives(store: Arc<impl Store>) {
    race_renewals(store, GRANTS).await;
}

pub async fn e8_revocation_beats_renewal(store: Arc<impl Store>) {
    race_revocations(store, REVOCATIONS).await;
}

/// What must be true of one grant.
struct Model {
    /// The refresh tokens in their order, the good one last.
    tokens: Vec<BearerToken>,
    /// When each but the last was used.
    used_at: Vec<Timestamp>,
    created_at: Timestamp,
    access: Vec<(BearerToken, Timestamp)>,
    alive: bool,
}

impl Model {
    fn new(answer: TokenResponse, now: Timestamp) -> Self {
        let mut model =
            Self { tokens: Vec::new(), used_at: Vec::new(), created_at: now, access: Vec::new(), alive: true };
        model.take(answer, now);
        model
    }

    fn take(&mut self, answer: TokenResponse, now: Timestamp) {
        assert_eq!(answer.expires_in, ACCESS.as_secs());
        let token = answer.refresh_token.unwrap();
        assert!(self.tokens.iter().all(|older| older.secret() != token.secret()), "every token is new");
        self.tokens.push(token);
        self.access.push((answer.access_token, now.plus(ACCESS)));
    }

    fn expires_at(&self) -> Timestamp {
        let used = self.used_at.last().copied().unwrap_or(self.created_at);
        used.plus(REFRESH.idle).min(self.created_at.plus(REFRESH.absolute))
    }

    fn good(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Uses the token of this place in their order, and says whether what came is what had to.
    async fn use_token(&mut self, server: &AuthorizationServer, at: usize, now: Timestamp) {
        let answer = renew(server, &self.tokens[at]).await;
        if !self.alive || now >= self.expires_at() {
            assert_refused(answer, "it has ended or expired");
        } else if at == self.good() {
            self.used_at.push(now);
            self.take(answer.unwrap(), now);
        } else if now < self.used_at[at].plus(REFRESH.leeway) && self.used_at.len() - at <= 16 {
            let again = answer.unwrap();
            assert_eq!(refresh_token(&again).secret(), self.tokens[at + 1].secret(), "the same successor");
            assert_eq!(again.access_token.secret(), self.access[at + 1].0.secret(), "the same answer");
        } else {
            assert_refused(answer, "used up");
            self.alive = false;
        }
    }

    async fn check(&self, server: &AuthorizationServer, now: Timestamp) {
        for (token, expires_at) in &self.access {
            let believed = server.verify(token).await.is_ok();
            let leeway = server.settings().leeway;
            assert_eq!(believed, self.alive && now < expires_at.plus(leeway), "until {expires_at:?}, now {now:?}");
        }
    }
}

pub async fn e_grants_live_as_their_model_says(store: Arc<impl Store>) {
    let world = World::new(store, 3).await;
    let subject = owner("alice").subject;
    for life in 0..LIVES {
        let mut server = world.server().await;
        let mut models = Vec::new();
        let mut done = Vec::new();
        for _ in 0..STEPS {
            let now = world.clock.now();
            let [kind, which, at, _] = random(&*world.rng);
            if models.is_empty() {
                models.push(Model::new(log_in(&server).await, now));
            }
            let place = which % models.len();
            let model: &mut Model = &mut models[place];
            let at = at % model.tokens.len();
            done.push((kind % 16, place, at));
            // The life is printed with what came otherwise: the same every time.
            let told = Told(life, &done);
            match kind % 16 {
                0..5 => model.use_token(&server, model.good(), now).await,
                5..7 => model.use_token(&server, at, now).await,
                7 => model.use_token(&server, model.good().saturating_sub(1), now).await,
                8 => {
                    let form = format!(
                        "grant_type=refresh_token&scope=me+admin&refresh_token={}",
                        model.tokens[model.good()].secret()
                    );
                    let wider =
                        server.token(Request::new(None, &Form::parse(form.as_bytes()).unwrap())).await.unwrap_err();
                    let expected = if model.alive && now < model.expires_at() {
                        OAuthError::InvalidScope
                    } else {
                        OAuthError::InvalidGrant(GrantProblem::RefreshToken)
                    };
                    assert_eq!(wider, expected);
                }
                9 => {
                    revoke(&server, &model.tokens[at]).await;
                    model.alive = false;
                }
                10 => {
                    for status in [OwnerStatus::Disabled, OwnerStatus::Active] {
                        world.store.set_status(&subject, status, world.clock.now()).await.unwrap();
                    }
                    server.hear_of_it().await.unwrap();
                    models.iter_mut().for_each(|model| model.alive = false);
                }
                11 => server = world.server().await,
                12 => models.push(Model::new(log_in(&server).await, now)),
                13 => world.clock.forward(Duration::from_secs(3)),
                14 => world.clock.forward(REFRESH.leeway),
                _ => world.clock.forward(REFRESH.idle / 2),
            }
            for model in &models {
                model.check(&server, world.clock.now()).await;
            }
            drop(told);
        }
        let end = world.clock.now().plus(REFRESH.absolute);
        while world.store.sweep(end, REFRESH.leeway, 1000).await.unwrap() > 0 {}
    }
}

/// Prints what was done to get here, if a check fails.
struct Told<'a>(u64, &'a [(usize, usize, usize)]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in life {}, after (what, grant, token): {:?}", self.0, self.1);
        }
    }
}

fn random(rng: &dyn Rng) -> [usize; 4] {
    let mut bytes = [0; 4];
    rng.fill(&mut bytes);
    bytes.map(usize::from)
}
