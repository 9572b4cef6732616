//! `GET /users/me`: the user who asks.

use std::{borrow::Cow, sync::Arc};

use axum::Json;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::{extract::CurrentUser, user::User};

/// The user, shared with all who ask for the same one.
pub(super) struct Me(Arc<User>);

impl Serialize for Me {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Me {
    fn schema_name() -> Cow<'static, str> {
        User::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        User::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        User::json_schema(generator)
    }
}

pub(super) async fn handle(user: CurrentUser) -> Json<Me> {
    Json(Me(user.into_shared()))
}
