//! `POST /users/me/password`: the user who asks sets another password.

use aide::{
    OperationInput, OperationOutput,
    generate::GenContext,
    openapi::{self, MediaType, Operation, RequestBody, SchemaObject},
    operation::set_body,
};
use axum::{
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_core::{
    authorization_server::{PasswordChange, PasswordChangeProblem},
    error::OAuthError,
    form::Form,
    throttle::Source,
    token::AccessToken,
};
use schemars::json_schema;

use super::{
    first_party::FirstParty,
    token::refusal,
    told::{AWAY, answers, told},
};
use crate::{
    extract::{Allowed, read_form},
    guard::Argument,
    oauth2::OAuth2,
};

/// For the operator's own software alone: nobody else's should be told a password, and a change ends all logins.
pub(super) async fn handle(
    user: Allowed<FirstParty>,
    State(oauth2): State<OAuth2>,
    request: PasswordRequest,
) -> Changed {
    Changed(change(&oauth2, user.access_token(), request).await)
}

async fn change(oauth2: &OAuth2, token: &AccessToken, request: PasswordRequest) -> Result<(), Refused> {
    let server = oauth2.server().ok_or(OAuthError::ServerError)?;
    let (form, source) = (request.form?, request.source);
    let [current, new] = form.require(["current_password", "new_password"])?;
    let change = PasswordChange { current, new, service: oauth2.title().unwrap_or_default(), source };
    server.change_password(token, change).await.map_err(Refused::Change)
}

/// The form, or why it cannot be had, and where it comes from. The address is not read.
pub(super) struct PasswordRequest {
    form: Result<Form, OAuthError>,
    source: Source,
}

impl FromRequest<OAuth2> for PasswordRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, oauth2: &OAuth2) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let source = oauth2.source(&parts.extensions, &parts.headers);
        Ok(Self { form: read_form(&parts.headers, body).await, source })
    }
}

enum Refused {
    Request(OAuthError),
    Change(PasswordChangeProblem),
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::Request(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Request(error) => return refusal(&error),
            Self::Change(problem) => problem,
        };
        match problem {
            PasswordChangeProblem::Incorrect => told(StatusCode::FORBIDDEN, &problem.to_string()),
            PasswordChangeProblem::Impossible(_) | PasswordChangeProblem::Refused(_) => {
                told(StatusCode::BAD_REQUEST, &problem.to_string())
            }
            PasswordChangeProblem::Throttled { retry_after } => refusal(&OAuthError::Throttled { retry_after }),
            PasswordChangeProblem::Unavailable { retry_after } => {
                refusal(&OAuthError::TemporarilyUnavailable { retry_after })
            }
        }
    }
}

pub(super) struct Changed(Result<(), Refused>);

impl IntoResponse for Changed {
    fn into_response(self) -> Response {
        self.0.map(|()| StatusCode::NO_CONTENT).into_response()
    }
}

impl<S> Argument<S> for PasswordRequest {}

impl OperationInput for PasswordRequest {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        operation.summary = Some("Change your password, and end all of your logins, this one too".to_owned());
        let json_schema = json_schema!({
            "type": "object",
            "required": ["current_password", "new_password"],
            "properties": {
                "current_password": { "type": "string", "format": "password", "minLength": 1 },
                "new_password": { "type": "string", "format": "password", "minLength": 1 },
            },
        });
        let schema = SchemaObject { json_schema, external_docs: None, example: None };
        let mut body = RequestBody { required: true, ..RequestBody::default() };
        let form = MediaType { schema: Some(schema), ..MediaType::default() };
        body.content.insert("application/x-www-form-urlencoded".to_owned(), form);
        set_body(context, operation, body);
    }
}

impl OperationOutput for Changed {
    type Inner = Self;

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        answers(&[
            (204, "The password is changed; log in with it"),
            (400, "The request cannot be read, or the new password is refused: `detail` says why"),
            (403, "The current password is wrong, or the token is not of one of this API's own applications"),
            (429, "Too many guesses at the password failed: try again after the time in `Retry-After`"),
            AWAY,
        ])
    }
}
