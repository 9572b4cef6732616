//! A document of utoipa that is there already: served with the locks of the guards, or locked for those who serve it.

use std::collections::btree_map::Entry;

use ::utoipa::openapi::{
    OpenApi, PathItem, RefOr, Response, SecurityRequirement,
    path::Operation,
    security::{Flow, SecurityScheme},
};
use axum::extract::FromRef;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    endpoint,
    oauth2::OAuth2,
    openapi::{AuthorsDocument, documented, lock::RULES},
    router::Router,
    start_error::StartError,
};

/// The answers of guards.
const REFUSALS: [&str; 2] = ["401", "403"];

impl<S> Router<S>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    /// Begins the API's document with one of yours.
    ///
    /// - What it tells of a route stands in place of what the route's handler tells of itself. Locks, scopes, 401 and 403
    ///   are written from the guards; an answer that you describe stays as you describe it.
    /// - Its title and version hold, unless [`Builder::title`](crate::Builder::title) and
    ///   [`Builder::version`](crate::Builder::version) are set. Its servers stand after the API's own, which is relative to
    ///   the document.
    /// - Everything else of it stays: tags, components, paths. A path that no route answers is a finding of the
    ///   [audit](Router::audit), and starts all the same, since another program may answer it.
    ///
    /// A lock of yours (`security(…)`) with a scheme that no guard of its route checks keeps the API from starting
    /// ([`StartError::LockWithoutCheck`]). So does a security scheme of yours that is called like one of the guards' and
    /// is not the same ([`StartError::SchemeTwice`]).
    ///
    /// ```
    /// use countersign::{AccessToken, Memory, OAuth2, Router, utoipa::routes};
    /// use utoipa::OpenApi;
    ///
    /// /// All items.
    /// #[utoipa::path(get, path = "/items")]
    /// async fn list_items(_: AccessToken) {}
    ///
    /// #[derive(OpenApi)]
    /// #[openapi(info(title = "Items"), paths(list_items))]
    /// struct Documented;
    ///
    /// # async fn app() -> countersign::Result<Router> {
    /// let oauth2 = OAuth2::new(Memory::new()).build().await?;
    /// let app = oauth2.router().routes(routes!(list_items)).document(&Documented::openapi())?;
    /// # Ok(app)
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`StartError::Document`]: it cannot be written as JSON.
    pub fn document(self, document: &OpenApi) -> Result<Self, StartError> {
        Ok(self.with_document(AuthorsDocument::new(written(document)?)))
    }

    /// Writes the locks, scopes and answers of the guards, and their security schemes, into a document that you serve
    /// yourself; into what is there, for it gets no operation that it does not have.
    ///
    /// `tokenUrl` is relative to its first server (OpenAPI 3.1 §4.6).
    ///
    /// # Errors
    /// As of [`Router::finish`]; it then is as it was.
    pub fn lock_document(&self, document: &mut OpenApi) -> Result<(), StartError> {
        let mut locked = document.clone();
        let told = self.told_beside(AuthorsDocument::new(written(document)?))?;
        let everywhere = locked.security.take();
        for (path, item) in &mut locked.paths.paths {
            let told = told.paths.get(&documented(path));
            for (method, operation) in operations(item) {
                match told.and_then(|item| item.get(method)) {
                    Some(told) => lock(operation, told)?,
                    None if operation.security.is_none() => operation.security.clone_from(&everywhere),
                    None => {}
                }
            }
        }
        let server = locked.servers.iter().flatten().next().map_or("/", |server| &server.url);
        let schemes = told.security_schemes(self.oauth2(), &from_server(server))?;
        let known = &mut locked.components.get_or_insert_default().security_schemes;
        for (name, scheme) in schemes {
            if let Entry::Vacant(place) = known.entry(name) {
                place.insert(RefOr::T(security_scheme(scheme)?));
            }
        }
        *document = locked;
        Ok(())
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("options", &mut item.options),
        ("head", &mut item.head),
        ("patch", &mut item.patch),
        ("trace", &mut item.trace),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Copies a lock, and the answers that go with it.
fn lock(operation: &mut Operation, told: &Value) -> Result<(), StartError> {
    operation.security = match &told["security"] {
        Value::Null => None,
        security => Some(read::<Vec<SecurityRequirement>>(security)?),
    };
    for status in REFUSALS {
        let responses = &mut operation.responses.responses;
        if let (Some(answer), false) = (told["responses"].get(status), responses.contains_key(status)) {
            responses.insert(status.to_owned(), RefOr::T(read::<Response>(answer)?));
        }
    }
    if let Some(rules) = told.get(RULES) {
        operation.extensions.get_or_insert_default().insert(RULES.to_owned(), rules.clone());
    }
    Ok(())
}

/// Reads a security scheme. Its flows are read by their names: utoipa takes each for the first kind whose members it
/// has, and so an authorization code for an implicit grant.
fn security_scheme(mut scheme: Value) -> Result<SecurityScheme, StartError> {
    let flows = match scheme.get_mut("flows") {
        Some(Value::Object(flows)) => std::mem::take(flows),
        _ => Map::new(),
    };
    let mut scheme = read(&scheme)?;
    if let SecurityScheme::OAuth2(oauth2) = &mut scheme {
        for (name, flow) in &flows {
            let flow = match name.as_str() {
                "implicit" => Flow::Implicit(read(flow)?),
                "authorizationCode" => Flow::AuthorizationCode(read(flow)?),
                "clientCredentials" => Flow::ClientCredentials(read(flow)?),
                _ => Flow::Password(read(flow)?),
            };
            oauth2.flows.insert(name.clone(), flow);
        }
    }
    Ok(scheme)
}

/// The token endpoint, relative to a server: what is relative to a URL replaces its last segment (RFC 3986 §5.2.3).
fn from_server(url: &str) -> String {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    match path.rsplit('/').next() {
        None | Some("") => endpoint::TOKEN_URL.to_owned(),
        Some(last) => format!("{last}/{}", endpoint::TOKEN_URL),
    }
}

fn written(document: &impl Serialize) -> Result<Value, StartError> {
    serde_json::to_value(document).map_err(StartError::Document)
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, StartError> {
    T::deserialize(value).map_err(StartError::Document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_security_scheme_is_read_as_it_was_written() {
        let flow = |url: &str| json!({ url: "https://issuer.example/x", "scopes": { "a": "A." } });
        let code =
            json!({ "authorizationUrl": "https://issuer.example/a", "tokenUrl": "token", "scopes": { "a": "A." } });
        for scheme in [
            json!({ "type": "oauth2", "description": "D.", "flows": {
                "implicit": flow("authorizationUrl"), "authorizationCode": code, "password": flow("tokenUrl"),
                "clientCredentials": flow("tokenUrl"),
            } }),
            json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }),
            json!({ "type": "http", "scheme": "basic" }),
            json!({ "type": "http", "scheme": "digest" }),
            json!({ "type": "apiKey", "in": "cookie", "name": "session", "description": "D." }),
            json!({ "type": "openIdConnect", "openIdConnectUrl": "https://issuer.example/.well-known" }),
        ] {
            assert_eq!(written(&security_scheme(scheme.clone()).unwrap()).unwrap(), scheme);
        }
    }

    #[test]
    fn the_token_endpoint_is_below_the_first_server() {
        for (server, url) in [
            ("/", "token"),
            ("/api/v1", "v1/token"),
            ("/api/v1/", "token"),
            ("https://api.example.com", "token"),
            ("https://api.example.com/", "token"),
            ("https://api.example.com/v1", "v1/token"),
        ] {
            assert_eq!(from_server(server), url, "{server}");
        }
    }
}
