//! Clients as people and programs read them. A secret is printed when it was just made; a hash never is.

use countersign::{
    Client, ClientSecret, Timestamp,
    core::{
        client::{AllowedScope, AuthMethod, Authentication, ClientType, Party},
        grant_type::GrantType,
        names::Audience,
        token_format::TokenFormat,
    },
};
use serde_json::{Value, json};

use crate::{
    announce,
    cli::{
        pages::{Take, print_array, print_table},
        print::{utc, yes_or_no},
    },
    failure::Outcome,
    telemetry::one_line,
};

/// For whom to print.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Human,
    Json,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Human }
    }

    /// One client.
    pub(super) fn client(self, client: &Client) -> Outcome {
        match self {
            Self::Json => announce::line(&serde_json::to_string_pretty(&as_json(client, None))?),
            Self::Human => {
                let rows = [
                    ("client id", client.id.to_string()),
                    ("name", client.name.clone().unwrap_or_default()),
                    ("type", type_name(client).to_owned()),
                    ("first party", yes_or_no(client.party == Party::First)),
                    ("authenticates", methods(client).join(" ")),
                    ("secrets", secrets(client)),
                    ("grant types", grant_types(client).join(" ")),
                    ("scopes", scopes(client)),
                    ("audience", names(&client.audience).join(" ")),
                    ("serves", names(&client.serves).join(" ")),
                    ("token format", client.token_format.map_or("", TokenFormat::name).to_owned()),
                    ("disabled", yes_or_no(!client.is_active())),
                    ("added", utc(client.created_at)),
                ];
                let lines = rows.map(|(name, value)| format!("{name:<13} {}", one_line(&value)).trim_end().to_owned());
                announce::line(&lines.join("\n"))
            }
        }
    }

    /// All clients, as they are read.
    pub(super) async fn clients(self, read: impl AsyncFn(&mut Take<'_, Client>) -> Outcome) -> Outcome {
        match self {
            Self::Json => print_array(read, |client| serde_json::to_string_pretty(&as_json(&client, None))).await,
            Self::Human => print_table(HEAD, read, |client| row(&client)).await,
        }
    }

    /// A client to which something was done, with the secret that was made for it.
    pub(super) fn done(self, client: &Client, what: &str, secret: Option<&ClientSecret>) -> Outcome {
        match (self, secret) {
            (Self::Json, secret) => announce::line(&serde_json::to_string_pretty(&as_json(client, secret))?),
            (Self::Human, None) => announce::line(&format!("{} {what}", client.id)),
            (Self::Human, Some(secret)) => announce::line(&format!(
                "{} {what}\n\nThe secret, which is shown this once and kept nowhere:\n{}",
                client.id,
                secret.secret()
            )),
        }
    }
}

/// By the names of RFC 7591 §2, where it has one.
fn as_json(client: &Client, secret: Option<&ClientSecret>) -> Value {
    let mut printed = json!({
        "client_id": client.id.as_str(),
        "client_name": client.name,
        "type": type_name(client),
        "first_party": client.party == Party::First,
        "token_endpoint_auth_methods": methods(client),
        "grant_types": grant_types(client),
        "scopes": match &client.scope {
            AllowedScope::Any => Value::Null,
            AllowedScope::Only(scope) => scope.iter().map(ToString::to_string).collect(),
        },
        "audience": names(&client.audience),
        "serves": names(&client.serves),
        "token_format": client.token_format.map(TokenFormat::name),
        "disabled": !client.is_active(),
        "client_id_issued_at": client.created_at.seconds(),
    });
    match &client.authentication {
        Authentication::None => {}
        Authentication::Secret { secrets, .. } => {
            let expires = secrets.iter().map(|kept| json!({ "expires_at": kept.expires_at.map(Timestamp::seconds) }));
            printed["secrets"] = expires.collect();
        }
        Authentication::PrivateKeyJwt(keys) => {
            printed["jwks"] = serde_json::from_str(keys.document()).unwrap_or(Value::Null);
        }
    }
    if let Some(secret) = secret {
        printed["client_secret"] = secret.secret().into();
    }
    printed
}

const HEAD: [&str; 6] = ["CLIENT ID", "NAME", "TYPE", "DISABLED", "GRANT TYPES", "SCOPES"];

fn row(client: &Client) -> [String; 6] {
    [
        client.id.to_string(),
        client.name.clone().unwrap_or_default(),
        type_name(client).to_owned(),
        yes_or_no(!client.is_active()),
        grant_types(client).join(" "),
        scopes(client),
    ]
}

fn type_name(client: &Client) -> &'static str {
    match client.client_type() {
        ClientType::Confidential => "confidential",
        ClientType::Public => "public",
    }
}

fn methods(client: &Client) -> Vec<&'static str> {
    client.authentication.methods().iter().copied().map(AuthMethod::name).collect()
}

fn grant_types(client: &Client) -> Vec<&'static str> {
    client.grant_types.iter().copied().map(GrantType::name).collect()
}

fn names(audiences: &[Audience]) -> Vec<&str> {
    audiences.iter().map(Audience::as_str).collect()
}

fn scopes(client: &Client) -> String {
    match &client.scope {
        AllowedScope::Any => "(any)".to_owned(),
        AllowedScope::Only(scope) => scope.to_string(),
    }
}

/// How many secrets there are, and until when those are good that were replaced.
fn secrets(client: &Client) -> String {
    let Authentication::Secret { secrets, .. } = &client.authentication else { return String::new() };
    let described = secrets.iter().map(|kept| match kept.expires_at {
        None => "one without end".to_owned(),
        Some(expires_at) => format!("one until {}", utc(expires_at)),
    });
    described.collect::<Vec<_>>().join(", ")
}
