//! says: `u32` does not say whether it guards anything
//! says: countersign::argument!(u32)
use countersign::routing::{MethodRouter, get};

async fn handler(_: u32) -> &'static str {
    "never"
}

fn main() {
    let _: MethodRouter = get(handler);
}
