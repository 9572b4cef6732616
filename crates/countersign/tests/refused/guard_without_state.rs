//! says: `App` does not have the `OAuth2` handle in it
//! says: impl FromRef<App> for OAuth2
use countersign::{CurrentUser, OAuth2, routing::get};

#[derive(Clone)]
struct App {
    name: String,
}

async fn handler(_: CurrentUser) -> &'static str {
    "never"
}

fn build(oauth2: OAuth2, app: App) {
    let _ = oauth2.router_with_state(app).route("/", get(handler));
}

fn main() {
    let _ = build;
}
