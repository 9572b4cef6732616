//! says: declare each scope as: /// What it allows, in a sentence.
countersign::scopes! {
    pub ReadItems = "read:items";
}

fn main() {}
