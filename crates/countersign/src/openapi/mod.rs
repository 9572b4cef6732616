//! The API's document (OpenAPI 3.1): what the guards say of themselves, written down.

mod authored;
mod form;
mod generator;
mod lock;
#[cfg(feature = "utoipa")]
pub mod utoipa;

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use self::{authored::METHODS, lock::lock};
pub(crate) use self::{
    authored::{Adopted, AuthorsDocument},
    form::describe_token_endpoint,
    generator::describe,
};
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
    /// What the author's document tells beside, and of what is not ours.
    authored: AuthorsDocument,
    pub(crate) scopes: Scopes,
    schemes: IndexMap<&'static str, Value>,
    schemas: Schemas,
    /// A name that two schemes have.
    twice: Option<String>,
}

impl Told {
    pub(crate) fn new(oauth2: &OAuth2, authored: AuthorsDocument) -> Self {
        let declared = oauth2.declared_scopes().iter();
        let mut schemas = Schemas::default();
        schemas.add(authored.schemas.clone());
        Self {
            own_scheme: oauth2.scheme_name().to_owned(),
            paths: IndexMap::new(),
            scopes: declared.map(|scope| (scope.token.to_string(), scope.description.to_string())).collect(),
            schemes: IndexMap::new(),
            schemas,
            twice: None,
            authored,
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
        let item = self.item(path.clone());
        tell_path_parameters(&mut operation, item.get("parameters").unwrap_or(&Value::Null), &path);
        item.insert(method.to_lowercase(), operation);
    }

    /// Tells of operations in the words of the author's document.
    pub(crate) fn add_adopted(&mut self, adopted: &[Adopted], requirement: &Requirement) {
        for Adopted { method, path, operation } in adopted {
            self.add(method, path, operation.clone(), requirement);
        }
    }

    pub(crate) fn add_schemas(&mut self, schemas: Schemas) {
        self.schemas.append(schemas);
    }

    /// What is told of this path.
    fn item(&mut self, path: String) -> &mut Map<String, Value> {
        let authored = &mut self.authored.items;
        self.paths.entry(path).or_insert_with_key(|path| authored.shift_remove(path).unwrap_or_default())
    }

    /// Every security scheme: ours, those of the guards, and those of the author's document.
    fn security_schemes(&self, oauth2: &OAuth2, token_url: &str) -> Result<IndexMap<String, Value>, StartError> {
        if let Some(name) = &self.twice {
            return Err(StartError::SchemeTwice(name.clone()));
        }
        // Not through the generator's own types: those write `"refreshUrl": null`, which is not valid.
        let mut own = oauth2.authority().document(token_url, &self.scopes);
        if let Some(description) = oauth2.scheme_description() {
            own["description"] = description.into();
        }
        let mut schemes = IndexMap::from([(self.own_scheme.clone(), own)]);
        schemes.extend(self.schemes.iter().map(|(name, scheme)| ((*name).to_owned(), scheme.clone())));
        for (name, scheme) in &self.authored.security_schemes {
            if schemes.entry(name.clone()).or_insert_with(|| scheme.clone()) != scheme {
                return Err(StartError::SchemeTwice(name.clone()));
            }
        }
        Ok(schemes)
    }

    /// Writes the document, in which `token_url` is relative to the first server.
    pub(crate) fn write(mut self, oauth2: &OAuth2, token_url: &str) -> Result<Written, StartError> {
        if let Some(name) = self.schemas.twice {
            return Err(StartError::SchemaTwice(name));
        }
        let security_schemes = self.security_schemes(oauth2, token_url)?;
        for Adopted { method, path, operation } in self.authored.take_operations() {
            self.item(path).insert(method, operation);
        }
        self.paths.extend(self.authored.items.into_iter().filter(|(_, item)| !item.is_empty()));
        name_operations(&mut self.paths);
        let mut rest = self.authored.members;
        let info = info(rest.remove("info"), oauth2);
        let title = info["title"].as_str().unwrap_or_default().to_owned();
        // The API is where its document is, whatever else is told; so the first server is relative to it.
        let mut servers = vec![json!({ "url": oauth2.docs().root() })];
        if let Some(Value::Array(authored)) = rest.remove("servers") {
            servers.extend(authored);
        }
        let document = Document {
            openapi: rest.remove("openapi").unwrap_or_else(|| "3.1.0".into()),
            info,
            servers,
            paths: &self.paths,
            components: Components {
                schemas: &self.schemas.by_name,
                security_schemes,
                rest: &self.authored.components,
            },
            rest: &rest,
        };
        let document = serde_json::to_string_pretty(&document).map_err(StartError::Document)?;
        Ok(Written { document, title, scopes: self.scopes })
    }
}

/// What is served of an API.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) document: String,
    /// The API's name in it.
    pub(crate) title: String,
    pub(crate) scopes: Scopes,
}

/// What the document says of the API as a whole: in the author's document, but for what the builder was told.
fn info(authored: Option<Value>, oauth2: &OAuth2) -> Value {
    let mut info = authored.filter(Value::is_object).unwrap_or_else(|| json!({}));
    for (member, set, default) in [("title", oauth2.title(), "API"), ("version", oauth2.version(), "0.1.0")] {
        match set {
            Some(set) => info[member] = set.into(),
            None if info[member].is_null() => info[member] = default.into(),
            None => {}
        }
    }
    info
}

/// A path as the document has it: a wildcard is a parameter like others.
fn documented(path: &str) -> String {
    path.replace("{*", "{")
}

/// Names the parameters of the path that nobody told of, here or for all methods: each is there, and text.
fn tell_path_parameters(operation: &mut Value, of_all_methods: &Value, path: &str) {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    for name in names {
        let names_it = |parameter: &Value| parameter["in"] == "path" && parameter["name"] == name;
        let tells = |parameters: &Value| parameters.as_array().is_some_and(|all| all.iter().any(names_it));
        if tells(&operation["parameters"]) || tells(of_all_methods) {
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
        for (method, operation) in item.iter_mut().filter(|(method, _)| METHODS.contains(&method.as_str())) {
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
    openapi: Value,
    info: Value,
    servers: Vec<Value>,
    paths: &'a IndexMap<String, Map<String, Value>>,
    components: Components<'a>,
    #[serde(flatten)]
    rest: &'a Map<String, Value>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Components<'a> {
    schemas: &'a Map<String, Value>,
    security_schemes: IndexMap<String, Value>,
    #[serde(flatten)]
    rest: &'a Map<String, Value>,
}
