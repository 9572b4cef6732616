//! Owners as rows.

use countersign_core::{
    names::Subject,
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner},
    store::StoreError,
    username::Username,
};

use super::{Columns, Value, named, scope, text, unreadable};

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
