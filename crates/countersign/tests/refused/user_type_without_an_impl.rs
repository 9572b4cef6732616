//! says: `Author` is not a user type
//! says: countersign::FromResourceOwner
use countersign::{
    CurrentUser,
    routing::{MethodRouter, get},
};

struct Author;

async fn handler(_: CurrentUser<(), Author>) -> &'static str {
    "never"
}

fn main() {
    let _: MethodRouter = get(handler);
}
