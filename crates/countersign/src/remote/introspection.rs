//! Tokens that only their issuer can read: its introspection endpoint says what they are (RFC 7662).

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Timestamp},
    error::BearerError,
    jose::MAX_TOKEN_BYTES,
    names::Issuer,
    reason::Reason,
    token::{
        AccessToken, BorrowedToken,
        introspect::MAX_INTROSPECTION_BYTES,
        introspected,
        verify::{Intended, TokenProblem},
    },
};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{
    fetch::{BasicAuthorization, Fetch, form_encoded},
    kept::{Kept, Load, PATIENCE, is_recent},
    metadata::{Problem, check_json, discover},
};

/// How long an answer is remembered by default: for so long a token that was revoked still opens.
pub(super) const DEFAULT_REMEMBERED: Duration = Duration::from_secs(10);

/// The longest.
pub(super) const MAX_REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The longest that it is remembered that a token does not hold.
const MAX_REFUSED_REMEMBERED: Duration = Duration::from_secs(5);

/// Of how many tokens it is remembered that they hold.
const MAX_TOKENS: usize = 10_000;

/// Of how many that they do not: whoever invents tokens fills this, and never what good ones need.
const MAX_REFUSED_TOKENS: usize = 1_000;

/// The longest answer that is remembered, in bytes: longer ones would make the memory's size anybody's guess.
const MAX_REMEMBERED_BYTES: usize = 4 * 1024;

/// How many tokens are asked for at once: a flood of invented ones must not become one at the issuer.
const MAX_AT_ONCE: usize = 64;

/// How many of these are held back for tokens that were good a moment ago, so that no flood keeps them waiting.
const HELD_BACK: usize = 16;

/// How long ago that moment may be.
const KNOWN_FOR: Duration = Duration::from_secs(10 * 60);

/// How long a client should wait whose token could not be asked for.
const RETRY: Duration = Duration::from_secs(1);

/// Asks the issuer what a token is.
pub(super) struct ByIntrospection {
    endpoint: Endpoint,
    authorization: BasicAuthorization,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    remember: Duration,
    good: Cache<WholeToken, Answer>,
    refused: Cache<WholeToken, Answer>,
    /// When tokens were last said to be good: longer than anything is believed because of it.
    known: Cache<WholeToken, Timestamp>,
    at_once: Semaphore,
    held_back: Semaphore,
}

/// The SHA-256 of a whole token: nothing shorter names it.
type WholeToken = [u8; 32];

/// What the issuer said of a token, and when we stop to believe it.
#[derive(Clone)]
struct Answer {
    said: Result<AccessToken, TokenProblem>,
    from: Timestamp,
    until: Timestamp,
}

/// What the issuer says of a token, and in how many bytes.
struct Said {
    said: Result<AccessToken, TokenProblem>,
    bytes: usize,
}

/// Of which permits to ask a token takes one.
#[derive(Clone, Copy)]
enum Permits {
    /// It was good a moment ago.
    All,
    /// Nobody knows what it is.
    NotHeldBack,
}

/// Where tokens are asked for.
#[derive(Debug)]
enum Endpoint {
    Set(String),
    Told(Kept<EndpointLoad>),
}

impl ByIntrospection {
    pub(super) fn new(
        issuer: Issuer,
        endpoint: Option<String>,
        authorization: BasicAuthorization,
        fetch: Arc<dyn Fetch>,
        remember: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let endpoint = match endpoint {
            Some(url) => Endpoint::Set(url),
            None => Endpoint::Told(Kept::new(EndpointLoad { issuer, fetch: fetch.clone() }, clock.clone())),
        };
        Self {
            endpoint,
            authorization,
            fetch,
            clock,
            remember,
            good: Cache::new(MAX_TOKENS),
            refused: Cache::new(MAX_REFUSED_TOKENS),
            known: Cache::new(MAX_TOKENS),
            at_once: Semaphore::new(MAX_AT_ONCE - HELD_BACK),
            held_back: Semaphore::new(HELD_BACK),
        }
    }

    pub(super) async fn verify(
        &self,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
    ) -> Result<AccessToken, BearerError> {
        if token.secret().len() > MAX_TOKEN_BYTES {
            return Err(BearerError::InvalidToken(Reason::TooLong));
        }
        let whole: WholeToken = Sha256::digest(token.secret()).into();
        let now = self.clock.now();
        let remembered = self.good.get(&whole).or_else(|| self.refused.get(&whole));
        if let Some(answer) = remembered
            && answer.from <= now
            && now < answer.until
        {
            return Ok(answer.said?);
        }
        let Said { said, bytes } = self.ask(token, intended, self.permits_of(&whole, now)).await?;
        // What it was is forgotten first: it is never both, whichever way a clock goes.
        self.good.remove(&whole);
        self.refused.remove(&whole);
        let (memory, until) = match &said {
            Ok(token) => {
                self.known.insert(whole, now);
                (&self.good, now.plus(self.remember).min(token.expires_at()))
            }
            Err(_) => {
                self.known.remove(&whole);
                (&self.refused, now.plus(self.remember.min(MAX_REFUSED_REMEMBERED)))
            }
        };
        if now < until && bytes <= MAX_REMEMBERED_BYTES {
            memory.insert(whole, Answer { said: said.clone(), from: now, until });
        }
        Ok(said?)
    }

    fn permits_of(&self, whole: &WholeToken, now: Timestamp) -> Permits {
        let is_known = self.known.get(whole).is_some_and(|when| is_recent(when, KNOWN_FOR, now));
        if is_known { Permits::All } else { Permits::NotHeldBack }
    }

    /// Asks the endpoint.
    async fn ask(
        &self,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
        permits: Permits,
    ) -> Result<Said, BearerError> {
        let asked = tokio::time::timeout(PATIENCE, async {
            let endpoint = match &self.endpoint {
                Endpoint::Set(url) => url.clone(),
                Endpoint::Told(kept) => kept.find().await?.item.clone(),
            };
            // Neither is ever closed.
            let _permit = match permits {
                Permits::NotHeldBack => self.at_once.acquire().await,
                Permits::All => tokio::select! {
                    permit = self.at_once.acquire() => permit,
                    permit = self.held_back.acquire() => permit,
                },
            };
            Ok::<_, BearerError>(self.post(&endpoint, token, intended).await)
        });
        let problem = match asked.await {
            Ok(Ok(Ok(said))) => return Ok(said),
            Ok(Ok(Err(problem))) => problem,
            Ok(Err(away)) => return Err(away),
            Err(_) => Problem::TooLong,
        };
        let cause = std::error::Error::source(&problem).map(ToString::to_string);
        tracing::warn!(event = "introspect", outcome = "failure", %problem, cause, "the issuer was asked in vain");
        Err(BearerError::TemporarilyUnavailable { retry_after: RETRY })
    }

    async fn post(&self, endpoint: &str, token: BorrowedToken<'_>, intended: Intended<'_>) -> Result<Said, Problem> {
        let token = Zeroizing::new(form_encoded(token.secret()));
        let body = Zeroizing::new(format!("token={}&token_type_hint=access_token", &*token));
        let fetched = self.fetch.post_form(endpoint, &self.authorization, &body, MAX_INTROSPECTION_BYTES).await?;
        let answer = check_json(fetched, MAX_INTROSPECTION_BYTES)?;
        match introspected(&answer.body, intended, &*self.clock) {
            Err(TokenProblem::Malformed) => Err(Problem::Answer),
            said => Ok(Said { said, bytes: answer.body.len() }),
        }
    }
}

impl fmt::Debug for ByIntrospection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByIntrospection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Finds the endpoint in the metadata.
#[derive(Debug)]
struct EndpointLoad {
    issuer: Issuer,
    fetch: Arc<dyn Fetch>,
}

#[async_trait]
impl Load for EndpointLoad {
    type Item = String;

    const NAME: &'static str = "introspection endpoint";

    async fn load(&self) -> Result<(String, Option<Duration>), Problem> {
        let (metadata, fetched) = discover(&self.issuer, &*self.fetch).await?;
        Ok((metadata.introspection_endpoint(&self.issuer)?.to_owned(), fetched.lifetime))
    }
}
