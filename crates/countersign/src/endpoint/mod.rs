//! The endpoints of countersign: HTTP in, HTTP out, one file each. This is the one table of their paths.

mod docs;
mod jwks;
mod metadata;
mod openapi;
mod security_headers;
pub(crate) mod token;
mod users_me;

use std::sync::Arc;

use axum::{
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
    routing as undocumented,
};

pub use self::security_headers::security_headers;
use crate::{
    audit::{Audit, AuditedRoute},
    oauth2::OAuth2,
    openapi::Scopes,
    routes::Routes,
    routing::{get, post, public},
};

const TOKEN: &str = "/token";
pub(crate) const USERS_ME: &str = "/users/me";
const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENAPI: &str = "/openapi.json";
const DOCS: &str = "/docs";

/// The token endpoint as the document names it: relative, so that it holds under any prefix and behind any proxy.
pub(crate) const TOKEN_URL: &str = "token";

/// The paths that no route of the author's may have. A `/users/me` of theirs takes the place of ours.
pub(crate) const OURS: [&str; 5] = [TOKEN, JWKS, METADATA, OPENAPI, DOCS];

/// The endpoints that the document tells of.
pub(crate) fn documented(author_has: impl Fn(&str) -> bool) -> Routes<OAuth2> {
    let routes = Routes::new().route(TOKEN, public(post(token::handle)));
    if author_has(USERS_ME) { routes } else { routes.route(USERS_ME, get(users_me::handle)) }
}

/// The endpoints that the document does not tell of, each for everybody.
pub(crate) fn audit(audit: &mut Audit) {
    for path in [JWKS, METADATA, OPENAPI, DOCS] {
        audit.push(AuditedRoute::ours("GET", path));
    }
}

/// All endpoints: those that the document tells of, with a slash at the end too, and the rest.
pub(crate) fn router(documented: axum::Router<OAuth2>, api: Finished, author_has_users_me: bool) -> axum::Router {
    let oauth2 = api.oauth2.clone();
    let mut router = documented
        .route(&with_slash(TOKEN), undocumented::post(token::handle))
        .route(JWKS, undocumented::get(jwks::handle))
        .with_state(oauth2.clone());
    if !author_has_users_me {
        let twin = axum::Router::new().route(&with_slash(USERS_ME), undocumented::get(users_me::handle));
        router = router.merge(twin.with_state(oauth2.clone()));
    }
    let finished_router = axum::Router::new()
        .route(METADATA, undocumented::get(metadata::handle))
        .route(OPENAPI, undocumented::get(openapi::handle))
        .route(DOCS, undocumented::get(docs::page))
        .route(&with_slash(DOCS), undocumented::get(docs::redirect))
        .route("/docs/{file}", undocumented::get(docs::asset))
        .with_state(Arc::new(api));
    let router = router.merge(finished_router).layer(map_response(not_stored));
    security_headers(router, &oauth2)
}

/// A finished API: what its endpoints tell of it.
pub(crate) struct Finished {
    pub(crate) oauth2: OAuth2,
    pub(crate) document: String,
    pub(crate) scopes: Scopes,
}

/// What an endpoint does not say may be kept is about one person, and nobody keeps it.
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn with_slash(path: &str) -> String {
    format!("{path}/")
}
