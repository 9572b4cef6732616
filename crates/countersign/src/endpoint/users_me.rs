//! `GET /users/me`: the user who asks.

use std::{
    future::{Future, ready},
    sync::{Arc, LazyLock},
};

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use countersign_core::{authorization_server::SharedOwner, resource_owner::ResourceOwner, store::StoreError};

use super::security_headers;
use crate::{
    extract,
    guard::Refusal,
    oauth2::OAuth2,
    user::{FromResourceOwner, User},
};

/// The page of one user, written once for all who share the owner; `None` if it cannot be written.
#[derive(Clone)]
struct Page(Option<Bytes>);

impl Page {
    fn of(owner: &ResourceOwner) -> Self {
        Self(serde_json::to_vec(&User::from(owner.clone())).ok().map(Bytes::from))
    }
}

impl<AppState> FromResourceOwner<AppState> for Page {
    fn from_resource_owner(
        owner: ResourceOwner,
        _: &AppState,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send {
        ready(Ok(Some(Self::of(&owner))))
    }

    fn from_shared_owner(
        owner: SharedOwner,
        _: &AppState,
    ) -> impl Future<Output = Result<Option<Arc<Self>>, StoreError>> + Send {
        ready(Ok(Some(owner.view(Self::of))))
    }
}

/// The user who asks, as a page of bytes. The audit calls it what it is for everybody else.
pub(super) struct CurrentUser(extract::CurrentUser<(), Page>);

crate::argument!(CurrentUser: extract::CurrentUser);

impl FromRequestParts<OAuth2> for CurrentUser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &OAuth2) -> Result<Self, Refusal> {
        <extract::CurrentUser<(), Page> as FromRequestParts<_>>::from_request_parts(parts, state).await.map(Self)
    }
}

/// A [`User`] as JSON.
pub(super) struct Answer(Arc<Page>);

/// The headers of the page behind those of every answer of ours, so that nothing is added to them one by one.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = security_headers::NOT_STORED.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
});

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Some(page) = &self.0.0 else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        let mut response = Response::new(Body::from(page.clone()));
        *response.headers_mut() = HEADERS.clone();
        response
    }
}

impl OperationOutput for Answer {
    type Inner = User;

    fn operation_response(context: &mut GenContext, operation: &mut Operation) -> Option<openapi::Response> {
        Json::<User>::operation_response(context, operation)
    }

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        Json::<User>::inferred_responses(context, operation)
    }
}

pub(super) async fn handle(user: CurrentUser) -> Answer {
    Answer(user.0.into_shared())
}
