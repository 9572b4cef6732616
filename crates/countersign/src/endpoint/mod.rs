//! The endpoints of countersign: HTTP in, HTTP out, one file each. This is the one table of their paths.

mod client_request;
mod docs;
mod feed;
mod first_party;
mod grants;
mod introspect;
mod jwks;
mod metadata;
mod openapi;
mod password;
mod revoke;
mod security_headers;
pub(crate) mod token;
mod told;
mod users_me;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing as undocumented,
};
use countersign_core::authorization_server::AuthorizationServer;
use tower::util::MapResponseLayer;

use self::{client_request::ClientRequest, revoke::RevocationRequest, token::TokenRequest};
pub use self::{docs::DocsPage, security_headers::security_headers};
use crate::{
    audit::{Audit, AuditedRoute},
    oauth2::OAuth2,
    openapi::{Scopes, describe_token_endpoint},
    routes::Routes,
    routing::{delete, get, post, public},
};

const TOKEN: &str = "/token";
const REVOKE: &str = "/revoke";
const USERS_ME: &str = "/users/me";
const GRANTS: &str = "/users/me/grants";
const GRANT: &str = "/users/me/grants/{id}";
const PASSWORD: &str = "/users/me/password";
const INTROSPECT: &str = "/introspect";
const FEED: &str = "/feed";
const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// The token endpoint as the document names it: relative to the root of the API, which the document names as its server
/// relative to itself (OpenAPI 3.1 §4.6), so that it holds under any prefix and behind any proxy.
pub(crate) const TOKEN_URL: &str = "token";

/// The paths of an API that issues its own tokens, which no setting moves.
const OF_ISSUER: [&str; 6] = [TOKEN, REVOKE, INTROSPECT, FEED, JWKS, METADATA];

/// The paths that no setting moves.
const FIXED: [&str; 10] = [TOKEN, REVOKE, INTROSPECT, FEED, USERS_ME, GRANTS, GRANT, PASSWORD, JWKS, METADATA];

/// The endpoints that routes of the author's take the place of, where they have some at these paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaceable {
    /// The user's own page.
    UsersMe,
    /// The user's logins: all of these endpoints or none.
    Grants,
    /// The change of a password.
    Password,
}

impl Replaceable {
    /// Those that an author with `routes` leaves to us.
    pub(crate) fn left_by<S: Clone + Send + Sync + 'static>(oauth2: &OAuth2, routes: &Routes<S>) -> Vec<Self> {
        let mut left = Vec::new();
        if !routes.has(USERS_ME) {
            left.push(Self::UsersMe);
        }
        let Some(server) = oauth2.server() else { return left };
        if !routes.has_below(GRANTS) {
            left.push(Self::Grants);
        }
        if server.owners_are_in_store() && !routes.has_below(PASSWORD) {
            left.push(Self::Password);
        }
        left
    }
}

/// The paths that no route of the author's may have; of [`Replaceable`] ones theirs take the place of ours.
pub(crate) fn ours(oauth2: &OAuth2) -> Vec<String> {
    let of_issuer = oauth2.server().map(|_| OF_ISSUER).into_iter().flatten();
    of_issuer.chain(docs::taken(oauth2.docs())).map(str::to_owned).collect()
}

/// The endpoints that the document tells of.
pub(crate) fn documented(oauth2: &OAuth2, left: &[Replaceable]) -> Routes<OAuth2> {
    let mut routes = Routes::new();
    if let Some(server) = oauth2.authority().server() {
        let [for_token, for_revoke] = [(); 2].map(|()| server.clone());
        let token = post(move |request: TokenRequest| token::answer(for_token, request));
        routes = routes
            .route(TOKEN, public(token.described(|operation| describe_token_endpoint(operation, server.settings()))))
            .route(REVOKE, public(post(move |request: RevocationRequest| revoke::answer(for_revoke, request))));
    }
    for left in left {
        routes = match left {
            Replaceable::UsersMe => routes.route(USERS_ME, get(users_me::handle)),
            Replaceable::Grants => {
                routes.route(GRANTS, get(grants::list).delete(grants::end_all)).route(GRANT, delete(grants::end))
            }
            Replaceable::Password => routes.route(PASSWORD, post(password::handle)),
        };
    }
    routes
}

/// The same, with a slash at the end.
fn twins(left: &[Replaceable]) -> axum::Router<OAuth2> {
    let mut twins = axum::Router::new();
    for left in left {
        twins = match left {
            Replaceable::UsersMe => twins.route(&with_slash(USERS_ME), undocumented::get(users_me::handle)),
            Replaceable::Grants => twins
                .route(&with_slash(GRANTS), undocumented::get(grants::list).delete(grants::end_all))
                .route(&with_slash(GRANT), undocumented::delete(grants::end)),
            Replaceable::Password => twins.route(&with_slash(PASSWORD), undocumented::post(password::handle)),
        };
    }
    twins
}

/// The endpoints that the document does not tell of: no guard is before them, and clients prove to them who they are.
pub(crate) fn audit(oauth2: &OAuth2, audit: &mut Audit) {
    for path in ours(oauth2).iter().filter(|path| ![TOKEN, REVOKE].contains(&path.as_str())) {
        let method = if path == INTROSPECT { "POST" } else { "GET" };
        audit.push(AuditedRoute::ours(method, path));
    }
}

/// All endpoints: those that the document tells of, with a slash at the end too, and the rest.
pub(crate) fn router(documented: axum::Router<OAuth2>, api: Finished, left: &[Replaceable]) -> axum::Router {
    let oauth2 = api.oauth2.clone();
    let mut router = twins(left).with_state(oauth2.clone());
    if let Some(server) = oauth2.authority().server() {
        router = router.merge(of_issuer(server, api.scopes.clone()).with_state(oauth2.clone()));
    }
    let mut finished_router = docs::routes(&api);
    if let Some(document) = oauth2.docs().document() {
        finished_router = finished_router.route(document, undocumented::get(openapi::handle));
    }
    let router = router.merge(finished_router.with_state(Arc::new(api)));
    let for_others = oauth2.clone();
    let documented = documented.method_not_allowed_fallback(async move || {
        finish(&for_others, told::told(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
    });
    let router = router.layer(MapResponseLayer::new({
        let oauth2 = oauth2.clone();
        move |answer| finish(&oauth2, answer)
    }));
    router.merge(documented.with_state(oauth2))
}

/// What every answer of ours says beside what it says itself: that nobody keeps it, because it is about one person, and
/// what the [security headers](security_headers()) say.
pub(crate) fn finish(oauth2: &OAuth2, answer: Response) -> Response {
    security_headers::add(oauth2, &security_headers::NOT_STORED, answer)
}

/// The endpoints of an API that issues its own tokens, beside those that the document tells of.
fn of_issuer(server: &Arc<AuthorizationServer>, scopes: Scopes) -> axum::Router<OAuth2> {
    let [for_token, for_revoke, for_jwks, for_metadata] = [(); 4].map(|()| server.clone());
    let for_introspect = server.clone();
    let waiting_room = feed::waiting_room();
    let introspect =
        undocumented::post(move |request: ClientRequest| introspect::answer(for_introspect.clone(), request));
    axum::Router::new()
        .route(INTROSPECT, introspect.clone())
        .route(&with_slash(INTROSPECT), introspect)
        .route(
            FEED,
            undocumented::get(move |State(oauth2), request: Request| feed::answer(oauth2, waiting_room, request)),
        )
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

fn with_slash(path: &str) -> String {
    format!("{path}/")
}
