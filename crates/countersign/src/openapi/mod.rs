//! The API's document (OpenAPI 3.1): what the guards say of themselves, written down.

mod form;
mod generator;
mod lock;

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

pub(crate) use self::{generator::describe, lock::lock};
use crate::{
    guard::requirement::Requirement, oauth2::OAuth2, schemas::Schemas, scheme::SchemeRef, start_error::StartError,
};

/// The scopes of an API with their descriptions, in the order in which they were met.
pub(crate) type Scopes = IndexMap<String, String>;

/// What the document tells: operations with their locks, and what they name.
#[derive(Debug)]
pub(crate) struct Told {
    own_scheme: String,
    /// By path, then by method in small letters.
    paths: IndexMap<String, Map<String, Value>>,
    pub(crate) scopes: Scopes,
    schemes: IndexMap<&'static str, Value>,
    schemas: Schemas,
    /// A name that two schemes have.
    twice: Option<String>,
}

impl Told {
    pub(crate) fn new(oauth2: &OAuth2) -> Self {
        let declared = oauth2.declared_scopes().iter();
        Self {
            own_scheme: oauth2.scheme_name().to_owned(),
            paths: IndexMap::new(),
            scopes: declared.map(|scope| (scope.token.to_string(), scope.description.to_string())).collect(),
            schemes: IndexMap::new(),
            schemas: Schemas::default(),
            twice: None,
        }
    }

    /// Tells of an operation.
    pub(crate) fn add(&mut self, method: &str, path: &str, mut operation: Value, requirement: &Requirement) {
        lock(&mut operation, requirement, &self.own_scheme);
        for scope in requirement.scopes() {
            self.scopes.entry(scope.token.to_string()).or_insert_with(|| scope.description.to_string());
        }
        for scheme in requirement.schemes() {
            if let SchemeRef::Named(scheme) = scheme {
                let known = self.schemes.entry(scheme.name).or_insert_with(|| scheme.document.clone());
                if *known != scheme.document || scheme.name == self.own_scheme {
                    self.twice = Some(scheme.name.to_owned());
                }
            }
        }
        let path = documented(path);
        tell_path_parameters(&mut operation, &path);
        self.paths.entry(path).or_default().insert(method.to_lowercase(), operation);
    }

    pub(crate) fn add_schemas(&mut self, schemas: Schemas) {
        self.schemas.append(schemas);
    }

    /// Writes the document; `token_url` is relative to it.
    pub(crate) fn write(mut self, oauth2: &OAuth2, token_url: &str) -> Result<(String, Scopes), StartError> {
        if let Some(name) = self.schemas.twice {
            return Err(StartError::SchemaTwice(name));
        }
        if let Some(name) = self.twice {
            return Err(StartError::SchemeTwice(name));
        }
        name_operations(&mut self.paths);
        // Not through the generator's own types: those write `"refreshUrl": null`, which is not valid.
        let mut own = oauth2.authority().document(token_url, &self.scopes);
        if let Some(description) = oauth2.scheme_description() {
            own["description"] = description.into();
        }
        let mut schemes = IndexMap::from([(self.own_scheme.as_str(), own)]);
        schemes.extend(self.schemes);
        let document = Document {
            openapi: "3.1.0",
            info: json!({ "title": oauth2.title(), "version": oauth2.version() }),
            servers: json!([{ "url": oauth2.docs().root() }]),
            paths: &self.paths,
            components: Components { schemas: &self.schemas.by_name, security_schemes: schemes },
        };
        let written = serde_json::to_string_pretty(&document).map_err(StartError::Document)?;
        Ok((written, self.scopes))
    }
}

/// A path as the document has it: a wildcard is a parameter like others.
fn documented(path: &str) -> String {
    path.replace("{*", "{")
}

/// Names the parameters of the path that nobody told of: each is there, and text.
fn tell_path_parameters(operation: &mut Value, path: &str) {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    for name in names {
        let known = operation["parameters"].as_array().into_iter().flatten();
        if known.clone().any(|parameter| parameter["in"] == "path" && parameter["name"] == name) {
            continue;
        }
        let parameter = json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
        match &mut operation["parameters"] {
            Value::Array(parameters) => parameters.push(parameter),
            none => *none = json!([parameter]),
        }
    }
}

/// Names each operation that has no name, after its method and path, as `getUsersMe`.
fn name_operations(paths: &mut IndexMap<String, Map<String, Value>>) {
    let mut taken = HashSet::new();
    for (path, item) in paths {
        for (method, operation) in item {
            let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            let name = words.fold(method.clone(), |name, word| name + &word[..1].to_uppercase() + &word[1..]);
            let mut unique = operation["operationId"].as_str().map_or_else(|| name.clone(), str::to_owned);
            let mut number = 1;
            while !taken.insert(unique.clone()) {
                number += 1;
                unique = format!("{name}{number}");
            }
            operation["operationId"] = unique.into();
        }
    }
}

#[derive(serde::Serialize)]
struct Document<'a> {
    openapi: &'static str,
    info: Value,
    servers: Value,
    paths: &'a IndexMap<String, Map<String, Value>>,
    components: Components<'a>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Components<'a> {
    schemas: &'a Map<String, Value>,
    security_schemes: IndexMap<&'a str, Value>,
}
