//! Keys as rows.

use countersign_core::{
    clock::Timestamp,
    names::KeyId,
    store::{KeyRecord, PrivateKey, RestingAlgorithm, RestingKey, SealedKey, StoreError, Succession},
};

use super::{Columns, Value, text, time, unreadable};

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
