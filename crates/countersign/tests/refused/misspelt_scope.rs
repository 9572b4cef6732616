//! says: cannot find type `ReadItem`
use countersign::{AccessToken, scopes};

scopes! {
    /// Read items.
    pub ReadItems = "read:items";
}

async fn handler(_: AccessToken<ReadItem>) -> &'static str {
    "never"
}

fn main() {
    let _ = handler;
}
