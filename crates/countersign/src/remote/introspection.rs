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
    kept::{Kept, Load, PATIENCE},
    metadata::{Problem, check_json, discover},
};

/// How long an answer is remembered by default: for so long a token that was revoked still opens.
pub(super) const DEFAULT_REMEMBERED: Duration = Duration::from_secs(10);

/// The longest.
pub(super) const MAX_REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The longest that it is remembered that a token does not hold.
const MAX_REFUSED_REMEMBERED: Duration = Duration::from_secs(5);

/// Of how many tokens answers are remembered.
const MAX_TOKENS: usize = 10_000;

/// How many tokens are asked for at once: a flood of invented ones must not become one at the issuer.
const MAX_AT_ONCE: usize = 64;

/// How long a client should wait whose token could not be asked for.
const RETRY: Duration = Duration::from_secs(1);

/// Asks the issuer what a token is.
pub(super) struct ByIntrospection {
    endpoint: Endpoint,
    authorization: BasicAuthorization,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    remember: Duration,
    answers: Cache<WholeToken, Answer>,
    at_once: Semaphore,
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
            answers: Cache::new(MAX_TOKENS),
            at_once: Semaphore::new(MAX_AT_ONCE),
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
        if let Some(answer) = self.answers.get(&whole)
            && answer.from <= now
            && now < answer.until
        {
            return Ok(answer.said?);
        }
        let said = self.ask(token, intended).await?;
        let until = match &said {
            Ok(token) => now.plus(self.remember).min(token.expires_at()),
            Err(_) => now.plus(self.remember.min(MAX_REFUSED_REMEMBERED)),
        };
        if now < until {
            self.answers.insert(whole, Answer { said: said.clone(), from: now, until });
        }
        Ok(said?)
    }

    /// Asks the endpoint: the inner result is its answer, the outer one tells whether there is one.
    async fn ask(
        &self,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
    ) -> Result<Result<AccessToken, TokenProblem>, BearerError> {
        let asked = tokio::time::timeout(PATIENCE, async {
            let endpoint = match &self.endpoint {
                Endpoint::Set(url) => url.clone(),
                Endpoint::Told(kept) => kept.find().await?.item.clone(),
            };
            // It is never closed.
            let _permit = self.at_once.acquire().await;
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

    async fn post(
        &self,
        endpoint: &str,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
    ) -> Result<Result<AccessToken, TokenProblem>, Problem> {
        let token = Zeroizing::new(form_encoded(token.secret()));
        let body = Zeroizing::new(format!("token={}&token_type_hint=access_token", &*token));
        let fetched = self.fetch.post_form(endpoint, &self.authorization, &body, MAX_INTROSPECTION_BYTES).await?;
        let answer = check_json(fetched, MAX_INTROSPECTION_BYTES)?;
        match introspected(&answer.body, intended, &*self.clock) {
            Err(TokenProblem::Malformed) => Err(Problem::Answer),
            said => Ok(said),
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
