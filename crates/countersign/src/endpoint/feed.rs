//! `GET /feed`: what has ended before its time, for the APIs that believe our tokens without asking.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use countersign_core::{
    authorization_server::{self, AuthorizationServer},
    error::OAuthError,
    feed_page::FeedPage,
    form::Form,
    store::StoreError,
    throttle::Source,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

use super::{
    client_request::authorization,
    token::{NOT_STORED, refusal},
    told::told,
};
use crate::oauth2::OAuth2;

/// The longest that an answer waits for news, in seconds: shorter than the patience of proxies.
const MAX_WAIT: u64 = 30;

/// How many may wait at once: more APIs than follow one issuer, few enough that what they cost does not matter.
const MAX_WAITING: usize = 256;

/// How often those who wait look for what other processes ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long somebody should stay away who found no room to wait.
const NO_ROOM_RETRY: Duration = Duration::from_secs(5);

/// Room for those who wait.
pub(super) fn waiting_room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_WAITING))
}

pub(super) async fn answer(oauth2: OAuth2, room: Arc<Semaphore>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(server) = oauth2.server() else { return refusal(&OAuthError::ServerError) };
    let source = oauth2.source(&parts.extensions, &parts.headers);
    match read(server, &room, &parts.headers, parts.uri.query().unwrap_or_default(), source).await {
        Ok(page) => (NOT_STORED, Json(page.to_json())).into_response(),
        Err(Refused::Client(error)) => refusal(&error),
        Err(Refused::ServesNothing) => {
            (NOT_STORED, told(StatusCode::FORBIDDEN, "This client serves no API")).into_response()
        }
        Err(Refused::Query) => {
            let detail = "after and wait are whole numbers, each there once at most";
            (NOT_STORED, told(StatusCode::BAD_REQUEST, detail)).into_response()
        }
    }
}

/// Why somebody hears nothing.
enum Refused {
    /// As at the other endpoints where clients prove who they are.
    Client(OAuthError),
    /// The client proved who it is, and the feed is for APIs.
    ServesNothing,
    /// What it asks cannot be read.
    Query,
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::Client(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Client(error.into())
    }
}

/// The client proves who it is in the header alone: what stands in an address ends in logs.
async fn read(
    server: &AuthorizationServer,
    room: &Semaphore,
    headers: &HeaderMap,
    query: &str,
    source: Source,
) -> Result<FeedPage, Refused> {
    let (authorization, form) = (authorization(headers)?, Form::parse(b"")?);
    let request = authorization_server::Request { authorization: authorization.as_deref(), form: &form, source };
    let client = server.authenticate_confidential(request).await?;
    if client.serves.is_empty() {
        return Err(Refused::ServesNothing);
    }
    let [after, wait] = numbers(query, ["after", "wait"]).ok_or(Refused::Query)?;
    // Subscribed before the store is asked, so that nothing falls between.
    let news = server.revoked().news();
    let page = server.read_feed(after).await?;
    if !page.entries.is_empty() || wait == 0 {
        return Ok(page);
    }
    let full = OAuthError::TemporarilyUnavailable { retry_after: NO_ROOM_RETRY };
    let _place = room.try_acquire().map_err(|_| full)?;
    let until = Instant::now() + Duration::from_secs(wait.min(MAX_WAIT));
    Ok(wait_for_more(server, news, after, until).await?)
}

/// What comes after `after` once there is anything, or nothing once the time is over.
async fn wait_for_more(
    server: &AuthorizationServer,
    mut news: watch::Receiver<u64>,
    after: u64,
    until: Instant,
) -> Result<FeedPage, StoreError> {
    loop {
        let is_over = Instant::now() >= until;
        let look_at = until.min(Instant::now() + LOOK_EVERY);
        if is_over || timeout_at(look_at, news.changed()).await.is_ok() {
            let page = server.read_feed(after).await?;
            if is_over || !page.entries.is_empty() {
                return Ok(page);
            }
        } else {
            server.look_at_feed().await?;
        }
    }
}

/// The values of these parameters, zero for one that is not there.
fn numbers<const N: usize>(query: &str, names: [&str; N]) -> Option<[u64; N]> {
    let mut values = [None; N];
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if let Some(i) = names.iter().position(|known| *known == name)
            && values[i].replace(value.parse().ok()?).is_some()
        {
            return None;
        }
    }
    Some(values.map(Option::unwrap_or_default))
}
