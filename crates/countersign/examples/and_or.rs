//! Schemes together: both are needed, or either will do.

use axum::http::request::Parts;
use countersign::{
    AccessToken, Allowed, Credentials, Denied, Either, Memory, NewUser, OAuth2, Router, Rule,
    routing::{get, post},
    scheme::ApiKey,
    scopes, security_schemes,
};
use subtle::ConstantTimeEq;

scopes! {
    /// Read reports.
    pub Reports = "reports";
}

security_schemes! {
    /// The key of a machine.
    pub MachineKey: ApiKey = ApiKey::header("X-Machine-Key");
}

/// A machine whose key is known. The scheme only reads the key: checking it is the application's.
struct Machine;

impl Rule for Machine {
    type Guard = Credentials<MachineKey>;
    type State = OAuth2;
    const NAME: &'static str = "known_machine";
    const DESCRIPTION: &'static str = "This machine is not known.";

    async fn check(key: Credentials<MachineKey>, _: &mut Parts, _: &OAuth2) -> Result<Self, Denied> {
        let known = key.secret().as_bytes().ct_eq(b"a-key-from-your-settings").into();
        if known { Ok(Self) } else { Err(Denied::Unauthenticated) }
    }
}

/// Both: a token of somebody who may read reports, from a machine that is known.
async fn print_report(_: AccessToken<Reports>, _: Allowed<Machine>) -> &'static str {
    "printing"
}

/// Either: somebody who may read reports, or a machine that is known.
async fn read_report(who: Either<AccessToken<Reports>, Allowed<Machine>>) -> String {
    match who {
        Either::One(token) => format!("for {}", token.subject()),
        Either::Other(_) => "for a machine".into(),
    }
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).build().await?;
    oauth2.add_user(NewUser::new("ada").password("secret").scope("reports")).await?;
    Ok(oauth2.router().route("/report", get(read_report)).route("/report/print", post(print_report)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
