//! Clients as rows.

use countersign_core::{
    client::{
        AllowedScope, AuthMethod, Authentication, Client, ClientKeys, ClientSecretHash, ClientSecrets, ClientStatus,
        KeptSecret, Party, SecretMethods,
    },
    clock::Timestamp,
    grant_type::GrantType,
    names::{Audience, ClientId},
    store::StoreError,
    token_format::TokenFormat,
};

use super::{Columns, Value, named, scope, text, time, unreadable};
use crate::hex;

/// What stands between the items of a list in a text column.
const SEPARATOR: &str = " ";

pub(crate) fn client(row: &dyn Columns) -> Result<Client, StoreError> {
    Ok(Client {
        id: ClientId::new(text(row, "id")?),
        name: row.text("name")?,
        authentication: authentication(row)?,
        party: named("party", &text(row, "party")?, &PARTIES)?,
        // One that only a newer program knows is nothing that the client could use here.
        grant_types: list(&text(row, "grant_types")?).filter_map(GrantType::find_by_name).collect(),
        scope: match row.text("scope")? {
            None => AllowedScope::Any,
            Some(text) => AllowedScope::Only(scope(&text)?),
        },
        audience: list(&text(row, "audience")?).map(Audience::new).collect(),
        serves: list(&text(row, "serves")?).map(Audience::new).collect(),
        token_format: match row.text("token_format")? {
            None => None,
            Some(name) => Some(TokenFormat::find_by_name(&name).ok_or_else(|| unreadable("token_format"))?),
        },
        status: named("status", &text(row, "status")?, &CLIENT_STATUSES)?,
        created_at: time(row, "created_at")?,
    })
}

/// The methods decide what else there must be, and what there must not be: what was tampered with is no public client.
fn authentication(row: &dyn Columns) -> Result<Authentication, StoreError> {
    let (methods, secrets, jwks) = (text(row, "auth_methods")?, text(row, "secrets")?, row.text("jwks")?);
    let methods = list(&methods)
        .map(|name| AuthMethod::find_by_name(name).ok_or_else(|| unreadable("auth_methods")))
        .collect::<Result<Vec<_>, _>>()?;
    let kept = list(&secrets).map(kept_secret).collect::<Option<Vec<_>>>().ok_or_else(|| unreadable("secrets"))?;
    let by_secret = |methods| {
        let secrets = ClientSecrets::from_kept(kept.clone()).map_err(|_| unreadable("secrets"))?;
        Ok(Authentication::Secret { methods, secrets })
    };
    match (methods.as_slice(), jwks) {
        ([AuthMethod::None], None) if kept.is_empty() => Ok(Authentication::None),
        ([AuthMethod::Basic], None) => by_secret(SecretMethods::Basic),
        ([AuthMethod::Post], None) => by_secret(SecretMethods::Post),
        ([AuthMethod::Basic, AuthMethod::Post], None) => by_secret(SecretMethods::Either),
        ([AuthMethod::PrivateKeyJwt], Some(jwks)) if kept.is_empty() => {
            ClientKeys::parse(jwks).map(Authentication::PrivateKeyJwt).map_err(|_| unreadable("jwks"))
        }
        _ => Err(unreadable("auth_methods")),
    }
}

fn kept_secret(text: &str) -> Option<KeptSecret> {
    let (hash, expires_at) = match text.split_once(':') {
        None => (text, None),
        Some((hash, expires_at)) => (hash, Some(Timestamp::from_seconds(expires_at.parse().ok()?))),
    };
    Some(KeptSecret { hash: ClientSecretHash::from_bytes(hex::decode(hash)?), expires_at })
}

/// The secrets as one text: equal if they are.
pub(crate) fn secrets_text(secrets: &ClientSecrets) -> String {
    let kept = secrets.iter().map(|kept| {
        let hash = hex::encode(kept.hash.as_bytes());
        kept.expires_at.map_or(hash.clone(), |expires_at| format!("{hash}:{}", expires_at.seconds()))
    });
    kept.collect::<Vec<_>>().join(SEPARATOR)
}

const PARTIES: [(&str, Party); 2] = [("first", Party::First), ("third", Party::Third)];

const CLIENT_STATUSES: [(&str, ClientStatus); 2] =
    [("active", ClientStatus::Active), ("disabled", ClientStatus::Disabled)];

pub(crate) fn client_status_name(status: ClientStatus) -> &'static str {
    match status {
        ClientStatus::Active => "active",
        ClientStatus::Disabled => "disabled",
    }
}

/// In the order of [`crate::statements::ADD_CLIENT`].
pub(crate) fn client_values(client: &Client) -> Vec<Value> {
    let (secrets, jwks) = match &client.authentication {
        Authentication::None => (String::new(), None),
        Authentication::Secret { secrets, .. } => (secrets_text(secrets), None),
        Authentication::PrivateKeyJwt(keys) => (String::new(), Some(keys.document())),
    };
    let party = match client.party {
        Party::First => "first",
        Party::Third => "third",
    };
    vec![
        client.id.as_str().into(),
        client.name.as_deref().into(),
        joined(client.authentication.methods().iter().map(|method| method.name())),
        secrets.into(),
        jwks.into(),
        party.into(),
        joined(client.grant_types.iter().map(|grant_type| grant_type.name())),
        match &client.scope {
            AllowedScope::Any => Value::Null,
            AllowedScope::Only(scope) => scope.to_string().into(),
        },
        joined(client.audience.iter().map(Audience::as_str)),
        client.token_format.map(TokenFormat::name).into(),
        client_status_name(client.status).into(),
        client.created_at.into(),
        joined(client.serves.iter().map(Audience::as_str)),
    ]
}

fn joined<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    items.collect::<Vec<_>>().join(SEPARATOR).into()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEPARATOR).filter(|item| !item.is_empty())
}
