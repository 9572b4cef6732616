//! The types that handlers take and return, for the document.

use serde_json::{Map, Value};

/// The types that handlers take and return, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schemas {
    pub(crate) by_name: Map<String, Value>,
    /// A name that two types have.
    pub(crate) twice: Option<String>,
}

impl Schemas {
    pub(crate) fn add(&mut self, schemas: Map<String, Value>) {
        for (name, schema) in schemas {
            if self.by_name.get(&name).is_some_and(|known| *known != schema) {
                self.twice = Some(name);
            } else {
                self.by_name.insert(name, schema);
            }
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.add(other.by_name);
        self.twice = other.twice.or(self.twice.take());
    }
}
