//! `/users/me/grants`: the logins of the user who asks, each to be seen and to be ended.
//!
//! With a token of the operator's own software all of them; with one of somebody else's the token's own login alone, so that
//! no client that got a little can log its user out everywhere.

use std::{
    collections::{HashMap, hash_map::Entry},
    convert::Infallible,
};

use aide::{
    OperationInput, OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
    operation::{ParamLocation, add_parameters, parameters_from_schema},
};
use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use countersign_core::{
    authorization_server::{AuthorizationServer, Kept},
    error::OAuthError,
    form::Form,
    grant_record::Grant,
    names::{ClientId, GrantId},
    store::{Found, StoreError},
    token::AccessToken,
};
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;
use serde_json::json;

use super::{
    first_party::FirstParty,
    token::refusal,
    told::{AWAY, answers, told},
};
use crate::{
    extract::{Allowed, CurrentUser},
    guard::Argument,
    oauth2::OAuth2,
};

/// The most logins in one answer, and as many as there are in one for which nobody said how many.
const MAX_PAGE: usize = 100;

/// The longest name of a grant that is looked for: ours have 22 letters.
const MAX_ID_BYTES: usize = 64;

/// `GET /users/me/grants`.
pub(super) async fn list(user: CurrentUser, State(oauth2): State<OAuth2>, page: Page) -> Listed {
    let Ok(page) = page.0 else { return Listed(Err(Refused::Query("limit is a number from 1 to 100"))) };
    let Some(server) = oauth2.server() else { return Listed(Err(Refused::Unknown)) };
    Listed(logins(server, user.access_token(), &page).await.map_err(Refused::from))
}

async fn logins(server: &AuthorizationServer, token: &AccessToken, page: &Asked) -> Result<Vec<Login>, StoreError> {
    let grants = server.find_logins(token, page.after.as_ref(), page.limit).await?;
    // Many logins, and few clients.
    let mut names: HashMap<&ClientId, Option<String>> = HashMap::new();
    for grant in &grants {
        if let Entry::Vacant(unknown) = names.entry(&grant.client_id) {
            let client = server.store().find_client(&grant.client_id).await?;
            unknown.insert(client.and_then(|client| client.name));
        }
    }
    let name = |grant: &Grant| names.get(&grant.client_id).cloned().flatten();
    Ok(grants.iter().map(|grant| Login::of(grant, name(grant), token)).collect())
}

/// `DELETE /users/me/grants/{id}`.
pub(super) async fn end(user: CurrentUser, State(oauth2): State<OAuth2>, named: Named) -> Ended {
    let (Some(server), Some(id)) = (oauth2.server(), named.0) else { return Ended(Err(Refused::Unknown)) };
    Ended(match server.end_login(user.access_token(), &id).await {
        Ok(Found::Yes) => Ok(()),
        Ok(Found::No) => Err(Refused::Unknown),
        Err(error) => Err(error.into()),
    })
}

/// `DELETE /users/me/grants`.
pub(super) async fn end_all(user: Allowed<FirstParty>, State(oauth2): State<OAuth2>, except: Except) -> EndedAll {
    let Some(kept) = except.0 else { return EndedAll(Err(Refused::Query("the only parameter is except=current"))) };
    let Some(server) = oauth2.server() else { return EndedAll(Err(Refused::Unknown)) };
    EndedAll(server.end_logins(user.access_token(), kept).await.map(drop).map_err(Refused::from))
}

/// A login, with nothing that opens anything.
// In the document under a name that is not the author's own, who calls a form of theirs `Login` more often than not.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ActiveLogin")]
struct Login {
    /// Names it.
    id: String,
    /// The client that may act for the user.
    client_id: String,
    /// The client's name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    /// What the client was allowed.
    scope: String,
    /// When the user logged in, in seconds since 1970.
    created_at: i64,
    /// When the client last got tokens, in seconds since 1970.
    last_used_at: i64,
    /// When it ends unless it is used, in seconds since 1970.
    expires_at: i64,
    /// Whether it is the one of the token in this request.
    current: bool,
}

impl Login {
    fn of(grant: &Grant, client_name: Option<String>, token: &AccessToken) -> Self {
        Self {
            id: grant.id.to_string(),
            client_id: grant.client_id.to_string(),
            client_name,
            scope: grant.scope.to_string(),
            created_at: grant.created_at.seconds(),
            last_used_at: grant.used_at.seconds(),
            expires_at: grant.expires_at().seconds(),
            current: token.grant_id() == Some(&grant.id),
        }
    }
}

/// Why nothing is shown or ended.
enum Refused {
    /// There is no such login, or it is not theirs to see.
    Unknown,
    /// The query cannot be read.
    Query(&'static str),
    /// The store is away.
    Away(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Away(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown => told(StatusCode::NOT_FOUND, "Not Found"),
            Self::Query(what) => told(StatusCode::BAD_REQUEST, what),
            Self::Away(error) => refusal(&OAuthError::from(error)),
        }
    }
}

/// The name in the path; `None` if it can be none of ours.
pub(super) struct Named(Option<GrantId>);

fn grant_id(text: &str) -> Option<GrantId> {
    (text.len() <= MAX_ID_BYTES).then(|| GrantId::new(text))
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(id.ok().and_then(|Path(id)| grant_id(&id))))
    }
}

/// Which logins are asked for, if that can be read.
pub(super) struct Page(Result<Asked, Malformed>);

struct Asked {
    after: Option<GrantId>,
    limit: usize,
}

struct Malformed;

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(asked(parts.uri.query().unwrap_or_default())))
    }
}

fn asked(query: &str) -> Result<Asked, Malformed> {
    let form = Form::parse(query.as_bytes()).map_err(|_| Malformed)?;
    let limit = form.find("limit").map_or(Some(MAX_PAGE), |limit| limit.parse().ok());
    let limit = limit.filter(|limit| (1..=MAX_PAGE).contains(limit)).ok_or(Malformed)?;
    let after = form.find("after").map(|after| grant_id(after).ok_or(Malformed)).transpose()?;
    Ok(Asked { after, limit })
}

/// What stays, if that can be read. Nothing is ended for a query that says anything else: it might be misspelt.
pub(super) struct Except(Option<Kept>);

impl<S: Send + Sync> FromRequestParts<S> for Except {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(match parts.uri.query() {
            None | Some("") => Some(Kept::None),
            Some("except=current") => Some(Kept::Current),
            Some(_) => None,
        }))
    }
}

impl<S> Argument<S> for Named {}
impl<S> Argument<S> for Page {}
impl<S> Argument<S> for Except {}

impl OperationInput for Page {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        operation.summary = Some("Your logins: who may act for you".to_owned());
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE });
        let after = json!({ "type": "string", "description": "The `id` after which to go on" });
        let parameters = json_schema!({ "type": "object", "properties": { "limit": limit, "after": after } });
        parameter(context, operation, parameters, ParamLocation::Query);
    }
}

impl OperationInput for Named {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        operation.summary = Some("End one of your logins".to_owned());
        let id = json!({ "type": "string", "description": "The `id` of the login" });
        let path = json_schema!({ "type": "object", "required": ["id"], "properties": { "id": id } });
        parameter(context, operation, path, ParamLocation::Path);
    }
}

impl OperationInput for Except {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        operation.summary = Some("Log out everywhere: end all of your logins".to_owned());
        let except = json!({ "const": "current", "description": "Keeps the login of this request" });
        let query = json_schema!({ "type": "object", "properties": { "except": except } });
        parameter(context, operation, query, ParamLocation::Query);
    }
}

fn parameter(context: &mut GenContext, operation: &mut Operation, schema: Schema, place: ParamLocation) {
    let parameters = parameters_from_schema(context, schema, place);
    add_parameters(context, operation, parameters);
}

pub(super) struct Listed(Result<Vec<Login>, Refused>);
pub(super) struct Ended(Result<(), Refused>);
pub(super) struct EndedAll(Result<(), Refused>);

impl IntoResponse for Listed {
    fn into_response(self) -> Response {
        self.0.map(Json).into_response()
    }
}

impl IntoResponse for Ended {
    fn into_response(self) -> Response {
        self.0.map(|()| StatusCode::NO_CONTENT).into_response()
    }
}

impl IntoResponse for EndedAll {
    fn into_response(self) -> Response {
        self.0.map(|()| StatusCode::NO_CONTENT).into_response()
    }
}

impl OperationOutput for Listed {
    type Inner = Self;

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        let list = Json::<Vec<Login>>::operation_response(context, operation).unwrap_or_default();
        let list = openapi::Response { description: "The logins, in the order of their `id`".to_owned(), ..list };
        let mut all = vec![(Some(openapi::StatusCode::Code(200)), list)];
        all.extend(answers(&[(400, "`limit` or `after` cannot be read"), AWAY]));
        all
    }
}

impl OperationOutput for Ended {
    type Inner = Self;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        answers(&[(204, "It has ended, and its tokens open nothing any more"), (404, "You have no such login"), AWAY])
    }
}

impl OperationOutput for EndedAll {
    type Inner = Self;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        answers(&[
            (204, "They have ended, and their tokens open nothing any more"),
            (400, "The query is anything else than `except=current`"),
            AWAY,
        ])
    }
}
