//! says: `Key` is not a security scheme
//! says: declare it with `security_schemes!
use countersign::{
    Credentials,
    routing::{MethodRouter, get},
};

struct Key;

async fn handler(_: Credentials<Key>) -> &'static str {
    "never"
}

fn main() {
    let _: MethodRouter = get(handler);
}
