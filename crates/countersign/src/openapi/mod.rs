//! The API's document (OpenAPI 3.1): what the guards say of themselves, written down.

mod access;
mod glue;
mod requirement;

use std::collections::HashSet;

use aide::{
    axum::ApiRouter,
    openapi::{OpenApi, PathItem, ReferenceOr},
};
use countersign_core::grant_type::GrantType;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use self::access::{Access, take_public_mark, with_methods};
pub(crate) use self::{
    access::mark_public,
    glue::{COUNT, settle},
};
use crate::{oauth2::OAuth2, scopes::Declaration, start_error::StartError};

/// The paths of an API in the order in which they were added.
pub(crate) type Paths = IndexMap<String, PathItem>;

/// The scopes of an API with their descriptions, in the order in which they were met.
pub(crate) type Scopes = IndexMap<String, String>;

/// A router, and what it says of itself.
pub(crate) struct Api<S> {
    pub(crate) router: axum::Router<S>,
    pub(crate) paths: Paths,
}

/// Takes a router apart.
pub(crate) fn read<S: Clone + Send + Sync + 'static>(api: ApiRouter<S>) -> Api<S> {
    let mut document = OpenApi::default();
    let router = api.finish_api(&mut document);
    let items = document.paths.unwrap_or_default().paths.into_iter();
    let paths = items.filter_map(|(path, item)| match item {
        // A path that the document does not tell of has an item without operations.
        ReferenceOr::Item(item) => (item.iter().count() > 0).then_some((path, item)),
        ReferenceOr::Reference { .. } => None,
    });
    Api { router, paths: paths.collect() }
}

/// Names every operation that is neither guarded nor public, and takes the marks off.
pub(crate) fn take_undecided(paths: &mut Paths) -> Vec<String> {
    let mut undecided = Vec::new();
    for (path, item) in paths {
        for (method, operation) in with_methods(item) {
            let access = take_public_mark(operation);
            if access == Access::Guarded && operation.security.is_empty() {
                undecided.push(format!("{method} {path}"));
            }
        }
    }
    undecided
}

/// Names each operation that has no name, after its method and path, as `getUsersMe`.
pub(crate) fn name_operations(paths: &mut Paths) {
    let mut taken = HashSet::new();
    for (path, item) in paths {
        for (method, operation) in with_methods(item) {
            let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            let name = words.fold(method.to_lowercase(), |name, word| name + &word[..1].to_uppercase() + &word[1..]);
            let mut unique = operation.operation_id.take().unwrap_or_else(|| name.clone());
            let mut number = 1;
            while !taken.insert(unique.clone()) {
                number += 1;
                unique = format!("{name}{number}");
            }
            operation.operation_id = Some(unique);
        }
    }
}

/// Gathers the scopes that the guards named and those that were declared beside them.
pub(crate) fn take_scopes(paths: &mut Paths, declared: &[Declaration]) -> Scopes {
    let mut scopes: Scopes =
        declared.iter().map(|scope| (scope.token.to_string(), scope.description.to_string())).collect();
    for item in paths.values_mut() {
        for (_, operation) in with_methods(item) {
            for (name, description) in requirement::take_declared(operation) {
                scopes.entry(name).or_insert(description);
            }
        }
    }
    scopes
}

/// Writes the document; `token_url` is relative to it.
pub(crate) fn write(
    oauth2: &OAuth2,
    token_url: &str,
    paths: &Paths,
    scopes: &Scopes,
    schemas: &Map<String, Value>,
) -> Result<String, StartError> {
    // Not through the generator's own types: those write `"refreshUrl": null`, which is not valid.
    let scheme = if oauth2.server().settings().grant_types.contains(&GrantType::Password) {
        let password = json!({ "tokenUrl": token_url, "scopes": scopes });
        json!({ "type": "oauth2", "flows": { "password": password } })
    } else {
        json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })
    };
    let document = Document {
        openapi: "3.1.0",
        info: json!({ "title": oauth2.title(), "version": oauth2.version() }),
        paths,
        components: json!({ "schemas": schemas, "securitySchemes": { requirement::SCHEME: scheme } }),
    };
    serde_json::to_string_pretty(&document).map_err(StartError::Document)
}

#[derive(serde::Serialize)]
struct Document<'a> {
    openapi: &'static str,
    info: Value,
    paths: &'a Paths,
    components: Value,
}
