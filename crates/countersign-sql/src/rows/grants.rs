//! Grants as rows, with the opaque tokens that descend from them and the one-time things that lead to them.

use countersign_core::{
    clock::Timestamp,
    grant_record::{Grant, Refresh},
    names::{ClientId, GrantId, Subject},
    store::{HandleHash, OneTime, OpaqueToken, Origin, StoreError},
};

use super::{Columns, Value, scope, text, time, unreadable};
use crate::retired;

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

/// A grant, when it was used last, and until when its access tokens live.
pub(crate) struct LastUse {
    pub(crate) id: String,
    pub(crate) used_at: Timestamp,
    pub(crate) access_until: Timestamp,
}

pub(crate) fn last_use(row: &dyn Columns) -> Result<LastUse, StoreError> {
    Ok(LastUse { id: text(row, "id")?, used_at: time(row, "used_at")?, access_until: time(row, "access_until")? })
}

/// The name of a grant that has ended, and until when its access tokens would live.
#[cfg(feature = "postgres")]
pub(crate) fn ended_grant(row: &dyn Columns) -> Result<(String, i64), StoreError> {
    Ok((text(row, "id")?, time(row, "access_until")?.seconds()))
}

/// The name of a grant, and when it was last used.
#[cfg(feature = "postgres")]
pub(crate) fn used_grant(row: &dyn Columns) -> Result<(String, Timestamp), StoreError> {
    Ok((text(row, "id")?, time(row, "used_at")?))
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

fn handle(column: &'static str, bytes: Option<Vec<u8>>) -> Result<HandleHash, StoreError> {
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(HandleHash::from_bytes).ok_or_else(|| unreadable(column))
}
