//! The endpoints of countersign: HTTP in, HTTP out, one file each. This is the one table of their paths.

mod client_request;
mod docs;
mod feed;
mod introspect;
mod jwks;
mod metadata;
mod openapi;
mod revoke;
mod security_headers;
pub(crate) mod token;
mod users_me;

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
    routing as undocumented,
};

use countersign_core::authorization_server::AuthorizationServer;

use self::{client_request::ClientRequest, revoke::RevocationRequest, token::TokenRequest};
pub use self::{docs::DocsPage, security_headers::security_headers};
use crate::{
    audit::{Audit, AuditedRoute},
    oauth2::OAuth2,
    openapi::Scopes,
    routes::Routes,
    routing::{get, post, public},
};

const TOKEN: &str = "/token";
const REVOKE: &str = "/revoke";
const INTROSPECT: &str = "/introspect";
const FEED: &str = "/feed";
pub(crate) const USERS_ME: &str = "/users/me";
const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// The token endpoint as the document names it: relative to the root of the API, which the document names as its server
/// relative to itself (OpenAPI 3.1 §4.6), so that it holds under any prefix and behind any proxy.
pub(crate) const TOKEN_URL: &str = "token";

/// The paths of an API that issues its own tokens, which no setting moves.
const OF_ISSUER: [&str; 6] = [TOKEN, REVOKE, INTROSPECT, FEED, JWKS, METADATA];

/// The paths that no setting moves.
const FIXED: [&str; 7] = [TOKEN, REVOKE, INTROSPECT, FEED, USERS_ME, JWKS, METADATA];

/// The paths that no route of the author's may have. A `/users/me` of theirs takes the place of ours.
pub(crate) fn ours(oauth2: &OAuth2) -> Vec<String> {
    let of_issuer = oauth2.server().map(|_| OF_ISSUER).into_iter().flatten();
    of_issuer.chain(docs::taken(oauth2.docs())).map(str::to_owned).collect()
}

/// The endpoints that the document tells of.
pub(crate) fn documented(oauth2: &OAuth2, author_has: impl Fn(&str) -> bool) -> Routes<OAuth2> {
    let mut routes = Routes::new();
    if let Some(server) = oauth2.authority().server() {
        let [for_token, for_revoke] = [(); 2].map(|()| server.clone());
        routes = routes
            .route(TOKEN, public(post(move |request: TokenRequest| token::answer(for_token, request))))
            .route(REVOKE, public(post(move |request: RevocationRequest| revoke::answer(for_revoke, request))));
    }
    if author_has(USERS_ME) { routes } else { routes.route(USERS_ME, get(users_me::handle)) }
}

/// The endpoints that the document does not tell of: no guard is before them, and clients prove to them who they are.
pub(crate) fn audit(oauth2: &OAuth2, audit: &mut Audit) {
    for path in ours(oauth2).iter().filter(|path| ![TOKEN, REVOKE].contains(&path.as_str())) {
        let method = if path == INTROSPECT { "POST" } else { "GET" };
        audit.push(AuditedRoute::ours(method, path));
    }
}

/// All endpoints: those that the document tells of, with a slash at the end too, and the rest.
pub(crate) fn router(documented: axum::Router<OAuth2>, api: Finished, author_has_users_me: bool) -> axum::Router {
    let oauth2 = api.oauth2.clone();
    let mut router = documented.with_state(oauth2.clone());
    if let Some(server) = oauth2.authority().server() {
        router = router.merge(of_issuer(server, api.scopes.clone()));
    }
    if !author_has_users_me {
        let twin = axum::Router::new().route(&with_slash(USERS_ME), undocumented::get(users_me::handle));
        router = router.merge(twin.with_state(oauth2.clone()));
    }
    let mut finished_router = docs::routes(&api);
    if let Some(document) = oauth2.docs().document() {
        finished_router = finished_router.route(document, undocumented::get(openapi::handle));
    }
    let router = router.merge(finished_router.with_state(Arc::new(api))).layer(map_response(not_stored));
    security_headers(router, &oauth2)
}

/// The endpoints of an API that issues its own tokens, beside those that the document tells of.
fn of_issuer(server: &Arc<AuthorizationServer>, scopes: Scopes) -> axum::Router {
    let [for_token, for_revoke, for_jwks, for_metadata] = [(); 4].map(|()| server.clone());
    let [for_introspect, for_feed] = [(); 2].map(|()| server.clone());
    let waiting_room = feed::waiting_room();
    let introspect =
        undocumented::post(move |request: ClientRequest| introspect::answer(for_introspect.clone(), request));
    axum::Router::new()
        .route(INTROSPECT, introspect.clone())
        .route(&with_slash(INTROSPECT), introspect)
        .route(FEED, undocumented::get(move |request: Request| feed::answer(for_feed, waiting_room, request)))
        .route(&with_slash(TOKEN), undocumented::post(move |request: TokenRequest| token::answer(for_token, request)))
        .route(
            &with_slash(REVOKE),
            undocumented::post(move |request: RevocationRequest| revoke::answer(for_revoke, request)),
        )
        .route(JWKS, undocumented::get(async move || jwks::answer(for_jwks.clone()).await))
        .route(METADATA, undocumented::get(async move || metadata::answer(&for_metadata, &scopes)))
}

/// A finished API: what its endpoints tell of it.
pub(crate) struct Finished {
    pub(crate) oauth2: OAuth2,
    pub(crate) document: String,
    /// The API's name, as the document has it.
    pub(crate) title: String,
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
