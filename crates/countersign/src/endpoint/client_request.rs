//! What a client sends to the endpoints where it proves who it is: a form, and perhaps an `Authorization` header.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use countersign_core::{
    authorization_server,
    error::{OAuthError, RequestProblem},
    form::Form,
    throttle::Source,
};

use crate::{extract::read_form, oauth2::OAuth2};

/// The form and the `Authorization` header of a request, or why they cannot be had, and where it comes from. The address is
/// not read.
pub(super) struct ClientRequest {
    read: Result<(Option<String>, Form), OAuthError>,
    source: Source,
}

impl ClientRequest {
    /// What core wants to know of it.
    ///
    /// # Errors
    /// `invalid_request`: the body is no form that can be read, or there are two headers.
    pub(super) fn read(&self) -> Result<authorization_server::Request<'_>, OAuthError> {
        let (authorization, form) = self.read.as_ref().map_err(Clone::clone)?;
        Ok(authorization_server::Request { authorization: authorization.as_deref(), form, source: self.source })
    }
}

impl FromRequest<OAuth2> for ClientRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, oauth2: &OAuth2) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let source = oauth2.source(&parts.extensions, &parts.headers);
        let read = async { Ok((authorization(&parts.headers)?, read_form(&parts.headers, body).await?)) };
        Ok(Self { read: read.await, source })
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
