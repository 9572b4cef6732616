//! What a token is held against: this server's settings and keys, or what an issuer elsewhere publishes.

use std::time::Duration;

use countersign::{
    SigningChoice,
    core::{
        key::{KeyRing, VerifyingKeys},
        names::{Audience, Issuer},
        store::Keys as _,
        token::verify::Profile,
    },
};
use tokio::net::lookup_host;

use super::fetch::{self, IssuerUrl};
use crate::{
    config::{Global, LogLevel, Settings},
    failure::Failure,
    store, telemetry,
};

/// What a token is held against.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) issuer: Option<Issuer>,
    pub(super) audience: Option<Audience>,
    pub(super) keys: Option<Box<dyn VerifyingKeys>>,
    pub(super) profile: Option<Profile>,
    pub(super) leeway: Option<Duration>,
    /// Where the issuer answers what an opaque token means (RFC 7662), if it says.
    pub(super) introspection: Option<String>,
    /// What people should know of all this.
    pub(super) notes: Vec<String>,
}

impl Facts {
    /// What the server of these settings expects.
    ///
    /// # Errors
    /// Exit code 2: settings, database or keys cannot be read.
    pub(super) async fn of_settings(global: &Global) -> Result<Self, Failure> {
        let settings = global.load([])?;
        telemetry::start(settings.log_format, LogLevel::Warn);
        let mut facts = Self {
            keys: Some(Box::new(open_keys(&settings).await.map_err(Failure::nothing_to_hold_against)?)),
            profile: Some(Profile::Rfc9068),
            leeway: Some(Duration::from_secs(settings.leeway.0.into())),
            ..Self::default()
        };
        facts.issuer = match &settings.issuer {
            Some(issuer) => Some(Issuer::new(issuer)),
            None => {
                let found = find_address(&settings).await;
                facts.notes.push(match &found {
                    Some(issuer) => format!("no issuer is set: it is taken to be where `serve` listens, {issuer}"),
                    None => "no issuer is set, nor a port to listen on, so the issuer is not judged".to_owned(),
                });
                found
            }
        };
        let of_issuer = || facts.issuer.as_ref().map(|issuer| Audience::new(issuer.as_str()));
        facts.audience = settings.audience.map(Audience::new).or_else(of_issuer);
        Ok(facts)
    }

    /// What an issuer elsewhere publishes. The leeway is the default one; how it writes its tokens, nobody says.
    ///
    /// # Errors
    /// Exit code 2: it could not be had.
    pub(super) async fn of_issuer(url: &IssuerUrl) -> Result<Self, Failure> {
        let published = fetch::fetch(url).await.map_err(Failure::nothing_to_hold_against)?;
        let mut notes = Vec::new();
        if published.keys.is_empty() {
            notes.push("the issuer publishes no key that can be used".to_owned());
        }
        let skipped = published.keys.skipped().len();
        if skipped > 0 {
            notes.push(format!("{skipped} of the issuer's keys cannot be used, and are left out"));
        }
        Ok(Self {
            issuer: Some(published.issuer),
            keys: Some(Box::new(published.keys)),
            introspection: published.introspection,
            notes,
            ..Self::default()
        })
    }
}

/// The keys of the server, without making one where there is none.
async fn open_keys(settings: &Settings) -> Result<KeyRing, Failure> {
    let algorithm = match settings.signing()? {
        // A secret does not rest in the database.
        SigningChoice::Secret(secret) => return Ok(KeyRing::of_secret(&secret)?),
        SigningChoice::KeyPair(algorithm) => algorithm,
    };
    let store = store::open_existing(settings.database.as_str()).await?;
    let records = store.find_keys().await?;
    if records.is_empty() {
        return Err(Failure::failed("there is no key in the database yet, so no token is this server's")
            .hint("`countersign serve` makes one"));
    }
    Ok(KeyRing::read(&records, algorithm.into(), settings.key_encryption()?.as_ref())?)
}

/// Where `serve` listens, as an issuer; unknown where it takes any port.
async fn find_address(settings: &Settings) -> Option<Issuer> {
    let address = lookup_host(settings.listen.as_str()).await.ok()?.next()?;
    (address.port() != 0).then(|| Issuer::new(format!("http://{address}")))
}
