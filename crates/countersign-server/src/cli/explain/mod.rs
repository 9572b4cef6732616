//! `countersign explain`: what is wrong with a token, for whoever was refused and for whoever has to help them.

mod facts;
mod fetch;
mod input;
mod print;

use std::ffi::OsString;

use countersign::{
    Scope,
    core::{
        clock::System,
        names::Audience,
        token::explain::{Against, explain},
    },
};

pub(super) use self::fetch::{IssuerUrl, fetch_date};
use self::{facts::Facts, input::Given, print::Told};
use crate::{
    announce,
    config::Global,
    failure::{Failure, Outcome},
};

/// Explain why a token is refused. Reads it from standard input, and sends it nowhere.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// Hold it against the metadata and the keys of this issuer, which are fetched.
    #[arg(long, value_name = "URL", value_parser = IssuerUrl::parse)]
    against: Option<IssuerUrl>,
    /// The scopes that the route needs, with spaces between.
    #[arg(long, value_name = "SCOPES", value_parser = Scope::parse)]
    scope: Option<Scope>,
    /// Whom the token should be for (`aud`), if it is not what the settings say.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Taken so that it can be refused without being repeated: who puts a token here shows it to all on this machine.
    #[arg(hide = true)]
    token: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  countersign explain < token.txt                       What can be known from the token and the clock
  countersign explain --config /etc/countersign.toml --scope 'me items' < token.txt
                                                        Held against this server's settings and keys
  countersign explain --against https://login.example.com < token.txt
                                                        Held against what another issuer publishes

Exit codes: 0 all that was given holds, 1 something does not, 2 wrong usage, or nothing to hold it against.";

impl Explain {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        if !self.token.is_empty() {
            return Err(Failure::usage("a token on the command line can be read by others on this machine")
                .hint("pipe it in, as in `countersign explain < token.txt`"));
        }
        let own_settings = global.config.is_some() || global.database.is_some();
        if own_settings && self.against.is_some() {
            return Err(Failure::usage(
                "--against holds a token against an issuer elsewhere, --config against this one",
            )
            .hint("give one of them"));
        }
        let Given { token, notes } = input::read()?;
        let mut facts = match &self.against {
            Some(issuer) => Facts::of_issuer(issuer).await?,
            None if own_settings => Facts::of_settings(global).await?,
            None => Facts::default(),
        };
        facts.notes.splice(0..0, notes.iter().map(ToString::to_string));
        if let Some(audience) = self.audience {
            facts.audience = Some(Audience::new(audience));
        }
        let against = Against {
            issuer: facts.issuer.as_ref(),
            audience: facts.audience.as_ref(),
            keys: facts.keys.as_deref(),
            profile: facts.profile,
            leeway: facts.leeway,
            needed: self.scope.as_ref(),
        };
        let told = Told::new(&token, explain(&token, &against, &System), &facts);
        announce::line(&if self.json { told.json()? } else { told.text() })?;
        match told.refusal() {
            Some(refusal) => Err(Failure::failed(refusal)),
            None => Ok(()),
        }
    }
}
