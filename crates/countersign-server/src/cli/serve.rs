//! `countersign serve`: the server, for real use.

use super::open;
use crate::{
    announce::{self, shell_word},
    config::{Global, Settings, Switch},
    failure::Outcome,
    listen::Listening,
    store,
};

/// Serve for real use. There are no default accounts: add users with `countersign user add`.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The address and port to listen on; port 0 picks a free one. 127.0.0.1:8000 by default.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The public https URL of this server. Needed where other machines can reach it.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

impl Serve {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([("listen", self.listen), ("issuer", self.issuer)])?;
        let (oauth2, place) = open(&settings).await?;
        let nobody = match oauth2.server() {
            Some(server) => server.store().list_owners(None, 1).await?.is_empty(),
            None => false,
        };
        let server = Listening::bind(oauth2, &place).await?;
        if nobody {
            announce::line(&how_to_add_a_user(&settings))?;
        }
        let url = server.url();
        announce::line(&match settings.docs {
            Switch::On => format!("Listening on {url} (the docs page: {url}/docs)"),
            Switch::Off => format!("Listening on {url}"),
        })?;
        server.serve(settings.connections()).await
    }
}

fn how_to_add_a_user(settings: &Settings) -> String {
    // The URL of a server is not printed whole: it may have a password in it.
    let command = match store::is_server(settings.database.as_str()) {
        true => "countersign user add NAME, with the same settings".to_owned(),
        false => format!("countersign --database {} user add NAME", shell_word(settings.database.as_str())),
    };
    format!("There are no users yet. Add one: {command}")
}
