//! `countersign client add`: a new client.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use countersign::{
    Client, ClientId, ClientSecret, Clock as _, GrantType, Scope, SecretMethods, TokenFormat,
    core::{
        client::{
            AllowedScope, Authentication, ClientKeys, ClientSecrets, ClientStatus, MAX_CLIENT_KEYS_BYTES, Party,
            registry,
        },
        clock::System,
        names::Audience,
        store::Added,
    },
};

use super::{super::user::read_scope, print::Output};
use crate::{
    config::Settings,
    failure::{Failure, Outcome},
    store,
};

/// Add a client. Its secret is made for it and printed once.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The client identifier; a random one by default.
    id: Option<String>,
    /// The name to show to people.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// It runs where no secret stays one (a browser, a phone): it gets none, and is only named.
    #[arg(long, conflicts_with_all = ["auth", "jwks"])]
    public: bool,
    /// It is your own software: only then may it have the password grant.
    #[arg(long)]
    first_party: bool,
    /// A grant type that it may use: password, refresh_token or client_credentials. May be repeated; without any it gets no
    /// token, and without refresh_token its logins cannot be renewed.
    #[arg(long = "grant-type", alias = "grant", value_name = "GRANT_TYPE", value_parser = read_grant_type)]
    grant_types: Vec<GrantType>,
    /// A scope that it may ask for. May be repeated, or name several with spaces between.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = read_scope)]
    scopes: Vec<Scope>,
    /// It may ask for whatever a user may grant; on its own behalf, where no user is, that is nothing.
    #[arg(long, conflicts_with = "scopes")]
    any_scope: bool,
    /// An API that its tokens may be for. May be repeated; without any, the server's own audience.
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// An API that it is: it may introspect tokens for it, and follow the feed of what has ended. May be repeated.
    #[arg(long = "serves", value_name = "AUDIENCE")]
    serves: Vec<String>,
    /// What its access tokens look like; by default as the server is set.
    #[arg(long, value_name = "FORMAT")]
    token_format: Option<Format>,
    /// How it proves who it is; by default with its secret, in the header or in the form.
    #[arg(long, value_name = "METHOD")]
    auth: Option<Method>,
    /// The file with its public keys, a JWK set, for private_key_jwt.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// The client may not ask for tokens before `countersign client enable`.
    #[arg(long)]
    disabled: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Jwt,
    Opaque,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Method {
    /// The secret stands in the `Authorization` header alone.
    Basic,
    /// The secret stands in the form alone.
    Post,
    /// It signs a JWT with a key of `--jwks`.
    PrivateKeyJwt,
}

impl Add {
    pub(super) async fn run(self, settings: &Settings, output: Output) -> Outcome {
        let id = match &self.id {
            Some(id) => ClientId::parse(id).map_err(|problem| Failure::usage(problem.to_string()))?,
            None => ClientId::random(&System),
        };
        let (authentication, secret) = self.authentication()?;
        let client = Client {
            name: self.name,
            party: if self.first_party { Party::First } else { Party::Third },
            grant_types: distinct(self.grant_types),
            scope: match self.any_scope {
                true => AllowedScope::Any,
                false => AllowedScope::Only(self.scopes.iter().flat_map(Scope::iter).cloned().collect()),
            },
            audience: distinct(self.audience.into_iter().map(Audience::new).collect()),
            serves: distinct(self.serves.into_iter().map(Audience::new).collect()),
            token_format: self.token_format.map(|format| match format {
                Format::Jwt => TokenFormat::Jwt,
                Format::Opaque => TokenFormat::Opaque,
            }),
            status: if self.disabled { ClientStatus::Disabled } else { ClientStatus::Active },
            ..Client::new(id, authentication, System.now())
        };
        // Before a database is made for a client that cannot be.
        let client = client.checked().map_err(|problem| Failure::usage(problem.to_string()))?;
        let store = store::open(settings.database.as_str()).await?;
        match registry::add(&store, &client).await? {
            Added::Yes => output.done(&client, "is added", secret.as_ref()),
            Added::NameTaken => {
                Err(Failure::failed(format!("there is a client {} already, or a user with this subject", client.id)))
            }
        }
    }

    /// How it will prove who it is, and its secret if one was made.
    fn authentication(&self) -> Result<(Authentication, Option<ClientSecret>), Failure> {
        let methods = match (self.public, self.auth, &self.jwks) {
            (true, ..) => return Ok((Authentication::None, None)),
            (false, None | Some(Method::PrivateKeyJwt), Some(path)) => return Ok((keys(path)?, None)),
            (false, Some(Method::PrivateKeyJwt), None) => {
                return Err(Failure::usage("private_key_jwt needs the client's keys: name their file with --jwks"));
            }
            (false, Some(Method::Basic | Method::Post), Some(_)) => {
                return Err(Failure::usage("--jwks is for private_key_jwt; leave it out, or --auth"));
            }
            (false, Some(Method::Basic), None) => SecretMethods::Basic,
            (false, Some(Method::Post), None) => SecretMethods::Post,
            (false, None, None) => SecretMethods::Either,
        };
        let secret = ClientSecret::random(&System);
        Ok((Authentication::Secret { methods, secrets: ClientSecrets::of(&secret) }, Some(secret)))
    }
}

fn keys(path: &Path) -> Result<Authentication, Failure> {
    let unfit = |problem: &dyn std::fmt::Display| Failure::failed(format!("{}: {problem}", path.display()));
    let mut document = String::new();
    let most = MAX_CLIENT_KEYS_BYTES as u64 + 1;
    let file = File::open(path).map_err(|error| unfit(&error))?;
    file.take(most).read_to_string(&mut document).map_err(|error| unfit(&error))?;
    ClientKeys::parse(document).map(Authentication::PrivateKeyJwt).map_err(|problem| unfit(&problem))
}

fn distinct<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    items.into_iter().fold(Vec::new(), |mut kept, item| {
        if !kept.contains(&item) {
            kept.push(item);
        }
        kept
    })
}

fn read_grant_type(name: &str) -> Result<GrantType, String> {
    GrantType::find_by_name(name).ok_or_else(|| {
        let names: Vec<_> = GrantType::ALL.iter().map(|grant_type| grant_type.name()).collect();
        format!("it must be one of {}", names.join(", "))
    })
}
