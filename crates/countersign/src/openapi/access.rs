//! Who may call an operation, as its author said: a mark that it carries until the document is written.

use aide::openapi::{Operation, PathItem};
use serde_json::Value;

/// The mark of an operation whose author said that it is for everybody; taken out before anybody sees the document.
const PUBLIC: &str = "x-countersign-public";

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whom the guards let in; a handler without one is an oversight.
    Guarded,
    /// Everybody, as the author said.
    Public,
}

/// Marks the operations of these methods as public.
pub(crate) fn mark_public(item: &mut PathItem, methods: &[&str]) {
    for (_, operation) in with_methods(item).filter(|(method, _)| methods.contains(method)) {
        operation.extensions.insert(PUBLIC.to_owned(), Value::Bool(true));
    }
}

/// Takes the mark off, and says whether there was one.
pub(crate) fn take_public_mark(operation: &mut Operation) -> Access {
    match operation.extensions.shift_remove(PUBLIC) {
        Some(_) => Access::Public,
        None => Access::Guarded,
    }
}

/// The operations of a path, each with its method's name.
pub(crate) fn with_methods(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    let slots = [
        ("GET", get),
        ("PUT", put),
        ("POST", post),
        ("DELETE", delete),
        ("OPTIONS", options),
        ("HEAD", head),
        ("PATCH", patch),
        ("TRACE", trace),
    ];
    slots.into_iter().filter_map(|(method, slot)| Some((method, slot.as_mut()?)))
}
