//! says: `ReadItems` is not a scope
//! says: declare scopes with `scopes! { /// Read items.
use countersign::{
    AccessToken,
    routing::{MethodRouter, get},
};

struct ReadItems;

async fn handler(_: AccessToken<ReadItems>) -> &'static str {
    "never"
}

fn main() {
    let _: MethodRouter = get(handler);
}
