//! `GET /users/me`: the user who asks.

use axum::Json;

use crate::{extract::CurrentUser, user::User};

pub(super) async fn handle(user: CurrentUser) -> Json<User> {
    Json(user.into_inner())
}
