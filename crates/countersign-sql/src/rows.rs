//! Records as rows: what is read is checked, what cannot be read is an error, and no back end's types appear here.

use countersign_core::{
    client::{
        AllowedScope, AuthMethod, Authentication, Client, ClientKeys, ClientSecretHash, ClientSecrets, ClientStatus,
        KeptSecret, Party, SecretMethods,
    },
    clock::Timestamp,
    grant_record::{Grant, Refresh},
    grant_type::GrantType,
    names::{Audience, ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner},
    scope::Scope,
    store::{
        Ended, FeedEntry, HandleHash, KeyRecord, OneTime, OpaqueToken, Origin, PrivateKey, RestingAlgorithm,
        RestingKey, SealedKey, StoreError, Succession,
    },
    token_format::TokenFormat,
    username::Username,
};

#[cfg(feature = "postgres")]
use countersign_core::throttle::Tally;

use crate::{hex, migrations::Applied, retired};

/// What stands between the items of a list in a text column.
const SEPARATOR: &str = " ";

/// A value on its way into a statement. Without `Debug`: it may be a hash or a key.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Blob(Vec<u8>),
    Null,
}

/// One row of an answer, by the names of its columns. A value of another type is [`StoreError::Corrupt`].
pub(crate) trait Columns {
    fn text(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn integer(&self, column: &'static str) -> Result<Option<i64>, StoreError>;
    fn blob(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Reads one record from one row.
pub(crate) type Read<T> = fn(&dyn Columns) -> Result<T, StoreError>;

/// A stored value that is not what the column is for. Names the column, never the value.
#[derive(Debug, thiserror::Error)]
#[error("the column {0:?} holds something that cannot be read")]
pub(crate) struct Unreadable(pub(crate) &'static str);

fn unreadable(column: &'static str) -> StoreError {
    StoreError::corrupt(Unreadable(column))
}

pub(crate) fn owner(row: &dyn Columns) -> Result<ResourceOwner, StoreError> {
    let name = text(row, "username")?;
    Ok(ResourceOwner {
        subject: Subject::new(text(row, "subject")?),
        // A name that is not canonical would be found by nobody, or by two: it was not we who wrote it.
        username: Username::parse(&name)
            .ok()
            .filter(|username| username.as_str() == name)
            .ok_or_else(|| unreadable("username"))?,
        full_name: row.text("full_name")?,
        email: row.text("email")?,
        scope: scope(&text(row, "scope")?)?,
        status: named("status", &text(row, "status")?, &OWNER_STATUSES)?,
        password_hash: row.text("password_hash")?.map(PasswordHash::new),
    })
}

/// In the order of [`crate::statements::ADD_OWNER`].
pub(crate) fn owner_values(owner: &ResourceOwner) -> Vec<Value> {
    vec![
        owner.subject.as_str().into(),
        owner.username.as_str().into(),
        owner.full_name.as_deref().into(),
        owner.email.as_deref().into(),
        owner.scope.to_string().into(),
        status_name(owner.status).into(),
        owner.password_hash.as_ref().map(PasswordHash::secret).into(),
    ]
}

const OWNER_STATUSES: [(&str, OwnerStatus); 2] = [("active", OwnerStatus::Active), ("disabled", OwnerStatus::Disabled)];

pub(crate) fn status_name(status: OwnerStatus) -> &'static str {
    match status {
        OwnerStatus::Active => "active",
        OwnerStatus::Disabled => "disabled",
    }
}

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

pub(crate) fn key(row: &dyn Columns) -> Result<KeyRecord, StoreError> {
    let withdrawn_at = row.integer("withdrawn_at")?.map(Timestamp::from_seconds);
    let private_key = row.blob("private_key")?.ok_or_else(|| unreadable("private_key"))?;
    Ok(KeyRecord {
        id: KeyId::new(text(row, "id")?),
        algorithm: RestingAlgorithm::from_name(&text(row, "algorithm")?),
        private_key: match (withdrawn_at, row.integer("sealed")?) {
            (Some(_), _) => RestingKey::Gone,
            (None, Some(0)) => PrivateKey::from_pkcs8(private_key).into(),
            (None, Some(1)) => RestingKey::Sealed(SealedKey::from_bytes(private_key)),
            (None, Some(_)) => RestingKey::Other,
            (None, None) => return Err(unreadable("sealed")),
        },
        signs_from: time(row, "signs_from")?,
        verifies_until: row.integer("verifies_until")?.map(Timestamp::from_seconds),
        withdrawn_at,
    })
}

/// In the order of [`crate::statements::PUT_FIRST_KEY`].
pub(crate) fn key_values(key: &KeyRecord) -> Vec<Value> {
    let (private_key, sealed) = match &key.private_key {
        RestingKey::Plain(private) => (private.secret().to_vec(), 0),
        RestingKey::Sealed(sealed) => (sealed.as_bytes().to_vec(), 1),
        RestingKey::Gone | RestingKey::Other => (Vec::new(), 0),
    };
    vec![
        key.id.as_str().into(),
        key.algorithm.name().into(),
        Value::Blob(private_key),
        Value::Integer(sealed),
        key.signs_from.into(),
        key.verifies_until.map_or(Value::Null, Value::from),
        key.withdrawn_at.map_or(Value::Null, Value::from),
    ]
}

/// In the order of [`crate::statements::RETIRE_KEYS`].
pub(crate) fn retirement_values(succession: &Succession) -> [Value; 5] {
    [
        succession.retired_until.into(),
        succession.next.id.as_str().into(),
        succession.signing.as_ref().map(KeyId::as_str).into(),
        succession.next.algorithm.name().into(),
        succession.abandoned_before.into(),
    ]
}

pub(crate) fn grant(row: &dyn Columns) -> Result<Grant, StoreError> {
    let refresh = match row.blob("refresh_family")? {
        None => None,
        Some(family) => Some(Refresh {
            family: handle("refresh_family", Some(family))?,
            current: handle("refresh_current", row.blob("refresh_current")?)?,
            expires_at: time(row, "refresh_expires_at")?,
            retired: retired::read(&row.blob("retired")?.unwrap_or_default()).ok_or_else(|| unreadable("retired"))?,
        }),
    };
    Ok(Grant {
        id: GrantId::new(text(row, "id")?),
        subject: Subject::new(text(row, "subject")?),
        client_id: ClientId::new(text(row, "client_id")?),
        scope: scope(&text(row, "scope")?)?,
        created_at: time(row, "created_at")?,
        used_at: time(row, "used_at")?,
        access_until: time(row, "access_until")?,
        refresh,
    })
}

/// In the order of [`crate::statements::RECORD_GRANT`].
pub(crate) fn grant_values(grant: &Grant) -> Vec<Value> {
    let refresh = grant.refresh.as_ref();
    let mut values = vec![
        grant.id.as_str().into(),
        grant.subject.as_str().into(),
        grant.client_id.as_str().into(),
        grant.scope.to_string().into(),
        grant.created_at.into(),
        grant.expires_at().into(),
        grant.used_at.into(),
        grant.access_until.into(),
        refresh.map_or(Value::Null, |refresh| refresh.family.as_bytes().into()),
    ];
    values.extend(refresh_values(refresh));
    values
}

/// In the order of [`crate::statements::ROTATE_REFRESH`].
pub(crate) fn rotation_values(spent: &HandleHash, grant: &Grant) -> Vec<Value> {
    let mut values = vec![grant.expires_at().into(), grant.used_at.into(), grant.access_until.into()];
    values.extend(refresh_values(grant.refresh.as_ref()));
    values.extend([grant.id.as_str().into(), spent.as_bytes().into()]);
    values
}

/// What changes when a grant is renewed.
fn refresh_values(refresh: Option<&Refresh>) -> [Value; 4] {
    let Some(refresh) = refresh else { return [Value::Null, Value::Null, Value::Null, Value::Null] };
    let last = refresh.retired.iter().map(|retired| retired.at).max();
    [
        refresh.current.as_bytes().into(),
        refresh.expires_at.into(),
        last.map_or(Value::Null, |_| Value::Blob(retired::write(&refresh.retired))),
        last.map_or(Value::Null, Value::from),
    ]
}

pub(crate) fn opaque_token(row: &dyn Columns) -> Result<(Origin, String, Timestamp), StoreError> {
    let descends_from = match (row.text("grant_id")?, row.text("client_id")?) {
        (Some(id), _) => Origin::Grant(GrantId::new(id)),
        (None, Some(id)) => Origin::Client(ClientId::new(id)),
        (None, None) => return Err(unreadable("client_id")),
    };
    Ok((descends_from, text(row, "claims")?, time(row, "expires_at")?))
}

/// In the order of [`crate::statements::PUT_OPAQUE_TOKEN`].
pub(crate) fn opaque_token_values(token: &OpaqueToken) -> Vec<Value> {
    let (grant_id, client_id) = match &token.descends_from {
        Origin::Grant(id) => (Some(id.as_str()), None),
        Origin::Client(id) => (None, Some(id.as_str())),
    };
    vec![
        token.handle.as_bytes().into(),
        grant_id.into(),
        client_id.into(),
        token.claims.as_str().into(),
        token.expires_at.into(),
    ]
}

pub(crate) fn feed_entry(row: &dyn Columns) -> Result<FeedEntry, StoreError> {
    let (kind, name) = (text(row, "kind")?, text(row, "name")?);
    Ok(FeedEntry {
        number: row.integer("number")?.and_then(|number| number.try_into().ok()).ok_or_else(|| unreadable("number"))?,
        ended: match kind.as_str() {
            "grant" => Ended::Grant(GrantId::new(name)),
            "token" => Ended::Token(name),
            "client" => Ended::Client(ClientId::new(name), time(row, "issued_until")?),
            "key" => Ended::Key(KeyId::new(name)),
            "owner" => Ended::Owner(Subject::new(name)),
            "everything" => Ended::Everything(time(row, "issued_until")?),
            _ => Ended::Other(row.integer("issued_until")?.map(Timestamp::from_seconds)),
        },
        until: time(row, "until")?,
    })
}

/// In the order of [`crate::statements::APPEND_FEED`].
pub(crate) fn feed_values(ended: &Ended, until: Timestamp) -> Vec<Value> {
    let (kind, name, issued_until) = match ended {
        Ended::Grant(id) => ("grant", id.as_str(), Value::Null),
        Ended::Token(id) => ("token", id.as_str(), Value::Null),
        Ended::Client(id, issued_until) => ("client", id.as_str(), (*issued_until).into()),
        Ended::Key(id) => ("key", id.as_str(), Value::Null),
        Ended::Owner(subject) => ("owner", subject.as_str(), Value::Null),
        Ended::Everything(issued_until) => ("everything", "", (*issued_until).into()),
        Ended::Other(issued_until) => ("other", "", issued_until.map_or(Value::Null, Value::from)),
    };
    vec![kind.into(), name.into(), issued_until, until.into()]
}

fn handle(column: &'static str, bytes: Option<Vec<u8>>) -> Result<HandleHash, StoreError> {
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(HandleHash::from_bytes).ok_or_else(|| unreadable(column))
}

/// The expiry and the payload of a one-time thing; its kind and handle are what was asked for.
pub(crate) fn one_time(row: &dyn Columns) -> Result<(Timestamp, String), StoreError> {
    Ok((time(row, "expires_at")?, text(row, "payload")?))
}

/// In the order of [`crate::statements::PUT_ONE_TIME`].
pub(crate) fn one_time_values(thing: &OneTime) -> Vec<Value> {
    vec![
        thing.kind.as_str().into(),
        thing.handle.as_bytes().into(),
        thing.expires_at.into(),
        thing.payload.as_str().into(),
    ]
}

pub(crate) fn applied(row: &dyn Columns) -> Result<Applied, StoreError> {
    Ok(Applied {
        version: row.integer("version")?.ok_or_else(|| unreadable("version"))?,
        checksum: text(row, "checksum")?,
        welcomes: row.integer("welcomes")?.ok_or_else(|| unreadable("welcomes"))?,
    })
}

/// In the order of [`crate::statements::RECORD_APPLIED`].
pub(crate) fn applied_values(applied: &Applied) -> [Value; 3] {
    [Value::Integer(applied.version), applied.checksum.as_str().into(), Value::Integer(applied.welcomes)]
}

pub(crate) fn newest_moment(row: &dyn Columns) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.integer("moment")?.map(Timestamp::from_seconds))
}

/// How the database writes text.
#[cfg(feature = "postgres")]
pub(crate) fn encoding(row: &dyn Columns) -> Result<String, StoreError> {
    text(row, "encoding")
}

/// Which database it is, and since when its server runs.
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub(crate) fn identity(row: &dyn Columns) -> Result<String, StoreError> {
    text(row, "identity")
}

/// The name of a grant that has ended, and until when its access tokens would live.
#[cfg(feature = "postgres")]
pub(crate) fn ended_grant(row: &dyn Columns) -> Result<(String, i64), StoreError> {
    Ok((text(row, "id")?, time(row, "access_until")?.seconds()))
}

/// A counter of failed attempts as it rests.
#[cfg(feature = "postgres")]
pub(crate) struct SharedTally {
    pub(crate) key: Vec<u8>,
    pub(crate) tally: Tally,
    /// Until when what it counts as under way is believed to be.
    pub(crate) under_way_until: Option<Timestamp>,
    /// The transaction that locked it.
    pub(crate) transaction: i64,
}

#[cfg(feature = "postgres")]
pub(crate) fn shared_tally(row: &dyn Columns) -> Result<SharedTally, StoreError> {
    let tally = row.blob("tally")?.map(|bytes| Tally::from_bytes(&bytes).ok_or_else(|| unreadable("tally")));
    Ok(SharedTally {
        key: row.blob("key")?.ok_or_else(|| unreadable("key"))?,
        tally: tally.transpose()?.unwrap_or_default(),
        under_way_until: row.integer("under_way_until")?.map(Timestamp::from_seconds),
        transaction: row.integer("transaction")?.ok_or_else(|| unreadable("transaction"))?,
    })
}

/// What became of a transaction, if anybody remembers.
#[cfg(feature = "postgres")]
pub(crate) fn fate(row: &dyn Columns) -> Result<Option<String>, StoreError> {
    row.text("fate")
}

/// In the order of [`crate::statements::BEGIN_EPOCH`].
pub(crate) fn epoch_values(number: u64, now: Timestamp, until: Timestamp) -> Vec<Value> {
    let mut values = vec![Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))];
    values.extend(feed_values(&Ended::Everything(now), until));
    values
}

pub(crate) fn number(row: &dyn Columns) -> Result<u64, StoreError> {
    row.integer("number")?.and_then(|number| number.try_into().ok()).ok_or_else(|| unreadable("number"))
}

/// A count that a statement made.
#[cfg(feature = "sqlite")]
pub(crate) fn count(row: &dyn Columns, column: &'static str) -> Result<usize, StoreError> {
    row.integer(column)?.and_then(|count| count.try_into().ok()).ok_or_else(|| unreadable(column))
}

fn text(row: &dyn Columns, column: &'static str) -> Result<String, StoreError> {
    row.text(column)?.ok_or_else(|| unreadable(column))
}

fn time(row: &dyn Columns, column: &'static str) -> Result<Timestamp, StoreError> {
    row.integer(column)?.map(Timestamp::from_seconds).ok_or_else(|| unreadable(column))
}

fn scope(text: &str) -> Result<Scope, StoreError> {
    text.parse().map_err(|_| unreadable("scope"))
}

fn named<T: Copy>(column: &'static str, name: &str, names: &[(&str, T)]) -> Result<T, StoreError> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| unreadable(column))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEPARATOR).filter(|item| !item.is_empty())
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Integer(time.seconds())
    }
}

impl From<&[u8; 32]> for Value {
    fn from(hash: &[u8; 32]) -> Self {
        Self::Blob(hash.to_vec())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

/// A count as a limit; none is as large as what the engines can count.
impl From<usize> for Value {
    fn from(limit: usize) -> Self {
        Self::Integer(i64::try_from(limit).unwrap_or(i64::MAX))
    }
}
