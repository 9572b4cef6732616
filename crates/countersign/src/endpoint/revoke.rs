//! `POST /revoke`: the revocation endpoint (RFC 7009).

use std::sync::Arc;

use aide::{
    OperationInput, OperationOutput,
    generate::GenContext,
    openapi::{self, MediaType, Operation, RequestBody, SchemaObject},
    operation::set_body,
};
use axum::{
    Json,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use countersign_core::{authorization_server::AuthorizationServer, error::OAuthError};
use schemars::json_schema;

use super::{
    client_request::ClientRequest,
    token::{NOT_STORED, Refused, refusal},
};
use crate::{guard::Argument, oauth2::OAuth2};

pub(super) async fn answer(server: Arc<AuthorizationServer>, request: RevocationRequest) -> Revocation {
    let revoke = async { server.revoke(request.0.read()?).await };
    Revocation(revoke.await)
}

pub(super) struct RevocationRequest(ClientRequest);

impl FromRequest<OAuth2> for RevocationRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, oauth2: &OAuth2) -> Result<Self, Self::Rejection> {
        ClientRequest::from_request(request, oauth2).await.map(Self)
    }
}

/// RFC 7009 §2.2: the same for a token that was revoked and one that never was.
pub(super) struct Revocation(Result<(), OAuthError>);

impl IntoResponse for Revocation {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(()) => NOT_STORED.into_response(),
            Err(error) => refusal(&error),
        }
    }
}

impl<S> Argument<S> for RevocationRequest {}

impl OperationInput for RevocationRequest {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        operation.summary =
            Some("Log out: end a refresh token with all that descends from it, or an access token".into());
        let json_schema = json_schema!({
            "type": "object",
            "required": ["token"],
            "properties": {
                "token": { "type": "string", "format": "password", "minLength": 1 },
                "token_type_hint": { "type": "string" },
                "client_id": { "type": "string" },
                "client_secret": { "type": "string", "format": "password" },
            },
        });
        let schema = SchemaObject { json_schema, external_docs: None, example: None };
        let mut body = RequestBody { required: true, ..RequestBody::default() };
        let form = MediaType { schema: Some(schema), ..MediaType::default() };
        body.content.insert("application/x-www-form-urlencoded".to_owned(), form);
        set_body(context, operation, body);
    }
}

impl OperationOutput for Revocation {
    type Inner = Self;

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        let code = |status| Some(openapi::StatusCode::Code(status));
        let done = openapi::Response {
            description: "It opens nothing any more, if it ever did".to_owned(),
            ..openapi::Response::default()
        };
        let mut responses = vec![(code(200), done)];
        for (status, description) in [
            (400, "The request cannot be read"),
            (401, "The client did not prove who it is"),
            (429, "Too many guesses failed: try again after the time in `Retry-After`"),
            (503, "Temporarily unavailable: it is not known whether the token has ended"),
        ] {
            let refused = Json::<Refused>::operation_response(context, operation);
            let described = refused.map(|refused| openapi::Response { description: description.to_owned(), ..refused });
            responses.extend(described.map(|response| (code(status), response)));
        }
        responses
    }
}
