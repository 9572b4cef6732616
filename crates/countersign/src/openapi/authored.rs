//! A document that the author has already: what the guards say is written into it.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::{
    routes::Routes,
    routing::{ANY, Described, Generator, MethodRouter},
    schemas::Schemas,
};

/// The methods of a path (OpenAPI 3.1 §4.8.9); whatever else a path has is about all of them.
pub(super) const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A document that the author has already. Nothing, unless one is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthorsDocument {
    /// All that does not stand below.
    pub(super) members: Map<String, Value>,
    /// All components that do not stand below.
    pub(super) components: Map<String, Value>,
    pub(super) schemas: Map<String, Value>,
    pub(super) security_schemes: Map<String, Value>,
    /// What a path tells beside its operations.
    pub(super) items: IndexMap<String, Map<String, Value>>,
    /// The operations that no route has taken.
    operations: Vec<Adopted>,
}

/// An operation in the words of the author's document.
#[derive(Clone, Debug)]
pub(crate) struct Adopted {
    /// The method, in small letters.
    pub(crate) method: String,
    /// The path, as the author's document spells it.
    pub(crate) path: String,
    pub(crate) operation: Value,
}

impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.to_uppercase(), self.path)
    }
}

/// How a handler answers a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    ByName,
    /// axum answers `HEAD` by the handler of `GET`.
    HeadByGet,
    Every,
}

impl AuthorsDocument {
    /// Of a document as JSON.
    ///
    /// A lock of the whole document becomes one of each operation that has none of its own (OpenAPI 3.1 §4.8.10): else it
    /// would stay on routes that everybody may call.
    #[cfg(any(feature = "utoipa", test))]
    pub(crate) fn new(document: Value) -> Self {
        let Value::Object(mut members) = document else { return Self::default() };
        let lock = members.remove("security");
        let mut components = taken(&mut members, "components");
        let (mut items, mut operations) = (IndexMap::new(), Vec::new());
        for (path, mut item) in taken(&mut members, "paths") {
            let path = super::documented(&path);
            for method in METHODS {
                let Some(mut operation) = item.as_object_mut().and_then(|item| item.remove(method)) else { continue };
                if let (Value::Null, Some(lock)) = (&operation["security"], &lock) {
                    operation["security"] = lock.clone();
                }
                operations.push(Adopted { method: method.to_owned(), path: path.clone(), operation });
            }
            if let Value::Object(item) = item {
                items.insert(path, item);
            }
        }
        Self {
            schemas: taken(&mut components, "schemas"),
            security_schemes: taken(&mut components, "securitySchemes"),
            members,
            components,
            items,
            operations,
        }
    }

    /// The operations that no route has taken.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Adopted> {
        self.operations.iter()
    }

    pub(super) fn take_operations(&mut self) -> Vec<Adopted> {
        std::mem::take(&mut self.operations)
    }

    /// Gives each operation to the route that answers it. It then tells of the route, in place of its handler's types.
    pub(crate) fn tell_of<S: Clone + Send + Sync + 'static>(&mut self, routes: &mut Routes<S>) {
        for answers in [Answers::ByName, Answers::HeadByGet, Answers::Every] {
            for (path, methods) in routes.told_mut() {
                self.tell_of_methods(path, methods, answers);
            }
        }
    }

    fn tell_of_methods<S>(&mut self, path: &str, methods: &mut MethodRouter<S>, answers: Answers) {
        for handler in &mut methods.handlers {
            let answered = |method: &str| match answers {
                Answers::ByName => method.eq_ignore_ascii_case(handler.method),
                Answers::HeadByGet => method == "head" && handler.method == "GET",
                Answers::Every => handler.method == ANY,
            };
            let adopted = self.take(path, answered);
            if !adopted.is_empty() && answers == Answers::ByName {
                is_told_of_by_its_author(handler);
            }
            handler.adopted.extend(adopted);
        }
        if let (Some(unread), Answers::Every) = (&mut methods.unread, answers) {
            unread.adopted.extend(self.take(path, |_| true));
        }
    }

    fn take(&mut self, path: &str, answered: impl Fn(&str) -> bool) -> Vec<Adopted> {
        let shape = shape(path);
        let ours = |adopted: &mut Adopted| self::shape(&adopted.path) == shape && answered(&adopted.method);
        self.operations.extract_if(.., ours).collect()
    }
}

/// The types of another generator are not what the author's document names.
fn is_told_of_by_its_author<S>(handler: &mut Described<S>) {
    handler.operation = None;
    if handler.generator == Generator::Aide {
        handler.schemas = Schemas::default();
    }
}

/// A path without the names of its parameters: "templated paths with the same hierarchy but different templated names
/// MUST NOT exist as they are identical" (OpenAPI 3.1 §4.8.8).
fn shape(path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shape, part| shape + "{}" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// An object that is taken out of another.
#[cfg(any(feature = "utoipa", test))]
fn taken(members: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match members.remove(name) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_the_same_whatever_their_name() {
        for (one, other) in
            [("/a/{b}/c", "/a/{x}/c"), ("/a/{*rest}", "/a/{rest}"), ("/{a}-{b}", "/{x}-{y}"), ("/", "/")]
        {
            assert_eq!(shape(one), shape(other));
        }
        for (one, other) in [("/a/{b}", "/a/b"), ("/a/{b}/c", "/a/{b}"), ("/a", "/a/")] {
            assert_ne!(shape(one), shape(other));
        }
    }

    #[test]
    fn a_lock_of_the_whole_document_is_that_of_each_operation_without_one() {
        let authored = AuthorsDocument::new(json!({
            "security": [{ "A": [] }],
            "paths": { "/x": { "get": {}, "put": { "security": [{}] }, "summary": "of all" } },
        }));
        let locks: Vec<_> = authored.operations().map(|adopted| adopted.operation["security"].clone()).collect();
        assert_eq!(locks, [json!([{ "A": [] }]), json!([{}])]);
        assert!(authored.members.is_empty() && authored.items["/x"]["summary"] == "of all", "{authored:?}");
    }
}
