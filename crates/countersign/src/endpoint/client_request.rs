//! What a client sends to the endpoints where it proves who it is: a form, and perhaps an `Authorization` header.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use countersign_core::{
    error::{OAuthError, RequestProblem},
    form::Form,
};

use crate::extract::read_form;

/// The form and the `Authorization` header of a request, or why they cannot be had. The address is not read.
pub(super) struct ClientRequest(Result<(Option<String>, Form), OAuthError>);

impl ClientRequest {
    /// The header and the form.
    ///
    /// # Errors
    /// `invalid_request`: the body is no form that can be read, or there are two headers.
    pub(super) fn read(&self) -> Result<(Option<&str>, &Form), OAuthError> {
        match &self.0 {
            Ok((authorization, form)) => Ok((authorization.as_deref(), form)),
            Err(error) => Err(error.clone()),
        }
    }
}

impl<AppState: Sync> FromRequest<AppState> for ClientRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let read = async { Ok((authorization(&parts.headers)?, read_form(&parts.headers, body).await?)) };
        Ok(Self(read.await))
    }
}

/// The one `Authorization` header, if there is one.
///
/// # Errors
/// `invalid_request`: there are two.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<String>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(OAuthError::InvalidRequest(RequestProblem::SeveralClientCredentials));
    }
    // A header that is no text names no client.
    Ok(first.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned))
}
