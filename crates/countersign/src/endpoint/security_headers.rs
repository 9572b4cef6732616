//! The headers that keep browsers from doing what nobody asked them to.

use std::{mem, sync::LazyLock};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use tower::util::MapResponseLayer;

use crate::{issuer::is_tls, oauth2::OAuth2};

/// For how long a browser must not try this host without TLS (RFC 6797 §6.1.1): a year.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Room for these and for what an answer says itself: a map that grows is made anew.
const ROOM: usize = 12;

/// The headers as a map, which costs less to clone than to fill.
static MADE: LazyLock<HeaderMap> = LazyLock::new(|| made(None));

/// The same, and that nobody may keep the answer.
pub(super) static NOT_STORED: LazyLock<HeaderMap> =
    LazyLock::new(|| made(Some((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))));

fn made(more: Option<(HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(ROOM);
    headers.extend(HEADERS.into_iter().chain(more));
    headers
}

/// Adds them to every answer of `router` that does not say otherwise: no sniffing, no referrer, no other origins, and,
/// where the API is its own issuer and that is `https`, no more `http` (RFC 6797). The endpoints of countersign have them already.
///
/// For routes of yours: `oauth2.router().route(…).map(move |router| security_headers(router, &oauth2))`.
pub fn security_headers(router: Router, oauth2: &OAuth2) -> Router {
    let oauth2 = oauth2.clone();
    router.layer(MapResponseLayer::new(move |response| add(&oauth2, &MADE, response)))
}

/// Adds those that are `made` to one answer, where it does not say otherwise.
pub(super) fn add(oauth2: &OAuth2, made: &HeaderMap, mut response: Response) -> Response {
    let headers = response.headers_mut();
    // An answer that begins with all of it was made of it, or has been here before.
    if !made.keys().eq(headers.keys().take(made.len())) {
        let said = mem::replace(headers, made.clone());
        // What the answer says takes the place of ours.
        headers.extend(said);
    }
    if oauth2.server().is_some_and(|server| is_tls(server.issuer().as_str())) {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(STRICT_TRANSPORT);
    }
    response
}
