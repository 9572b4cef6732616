//! The headers that keep browsers from doing what nobody asked them to.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
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

/// Adds them to every answer of `router` that does not say otherwise: no sniffing, no referrer, no other origins, and,
/// where the API is its own issuer and that is `https`, no more `http` (RFC 6797). The endpoints of countersign have them already.
///
/// For routes of yours: `oauth2.router().route(…).map(move |router| security_headers(router, &oauth2))`.
pub fn security_headers(router: Router, oauth2: &OAuth2) -> Router {
    let oauth2 = oauth2.clone();
    router.layer(MapResponseLayer::new(move |response| add(&oauth2, response)))
}

/// Adds them to one answer.
pub(super) fn add(oauth2: &OAuth2, mut response: Response) -> Response {
    let headers = response.headers_mut();
    // At once, and not as they come.
    headers.reserve(HEADERS.len() + 1);
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if oauth2.server().is_some_and(|server| is_tls(server.issuer().as_str())) {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(STRICT_TRANSPORT);
    }
    response
}
