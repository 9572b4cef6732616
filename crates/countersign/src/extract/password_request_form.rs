//! `OAuth2PasswordRequestForm`: a login, for those who write a token endpoint of their own.

use std::ops::Deref;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use countersign_core::{
    client::ClientSecret,
    error::{GrantProblem, OAuthError, RequestProblem},
    form::Form,
    grant_type::GrantType,
    names::ClientId,
    password::Password,
    scope::Scope,
};
use http_body_util::LengthLimitError;

use crate::endpoint::token::refusal;

/// The largest form we read: a login has some hundred bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// The fields of a password grant request (RFC 6749 §4.3.2); `grant_type` may be absent, as tutorials' clients have it.
///
/// # Errors
/// As of the token endpoint: 400 (413 for a body over 64 KiB) with
/// - `invalid_request`: not a form, malformed, a parameter repeated, `username` or `password` missing;
/// - `unsupported_grant_type`: a `grant_type` other than `password`;
/// - `invalid_scope`: the scope is malformed;
/// - `invalid_grant`: the password is one that nobody can have.
#[derive(Debug)]
pub struct OAuth2PasswordRequestForm {
    /// `password`, if it was there.
    pub grant_type: Option<GrantType>,
    /// The user name as it was typed; [`Username::parse`](crate::Username::parse) makes it canonical.
    pub username: String,
    /// The password.
    pub password: Password,
    /// The scope that was asked for.
    pub scope: Scope,
    /// The client that names itself in the form.
    pub client_id: Option<ClientId>,
    /// The secret with which it does.
    pub client_secret: Option<ClientSecret>,
}

/// As [`OAuth2PasswordRequestForm`], with `grant_type` required, as RFC 6749 §4.3.2 has it.
///
/// # Errors
/// As of [`OAuth2PasswordRequestForm`], and `invalid_request` where `grant_type` is missing.
#[derive(Debug)]
pub struct OAuth2PasswordRequestFormStrict(pub OAuth2PasswordRequestForm);

impl Deref for OAuth2PasswordRequestFormStrict {
    type Target = OAuth2PasswordRequestForm;

    fn deref(&self) -> &OAuth2PasswordRequestForm {
        &self.0
    }
}

impl OAuth2PasswordRequestForm {
    async fn read<const N: usize>(request: Request, required: [&'static str; N]) -> Result<Self, OAuthError> {
        let (parts, body) = request.into_parts();
        let form = read_form(&parts.headers, body).await?;
        let grant_type = match form.find("grant_type").map(GrantType::find_by_name) {
            Some(Some(GrantType::Password)) => Some(GrantType::Password),
            None => None,
            Some(_) => return Err(OAuthError::UnsupportedGrantType),
        };
        form.require(required)?;
        let [username, password] = form.require(["username", "password"])?;
        Ok(Self {
            grant_type,
            username: username.to_owned(),
            password: Password::typed(password).map_err(|_| OAuthError::InvalidGrant(GrantProblem::Login))?,
            scope: form.find("scope").map(Scope::parse).transpose().map_err(OAuthError::from)?.unwrap_or_default(),
            client_id: form.find("client_id").map(ClientId::new),
            client_secret: form.find("client_secret").map(ClientSecret::new),
        })
    }
}

impl<AppState: Sync> FromRequest<AppState> for OAuth2PasswordRequestForm {
    type Rejection = PasswordRequestFormRejection;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self::read(request, ["username", "password"]).await?)
    }
}

impl<AppState: Sync> FromRequest<AppState> for OAuth2PasswordRequestFormStrict {
    type Rejection = PasswordRequestFormRejection;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(OAuth2PasswordRequestForm::read(request, ["grant_type", "username", "password"]).await?))
    }
}

/// Reads a form of at most [`MAX_FORM_BYTES`] that says it is one (RFC 6749 §3.2, Appendix B).
pub(crate) async fn read_form(headers: &HeaderMap, body: Body) -> Result<Form, OAuthError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_form(content_type) {
        return Err(OAuthError::InvalidRequest(RequestProblem::NotAForm));
    }
    let bytes = to_bytes(body, MAX_FORM_BYTES).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        let problem = if too_large { RequestProblem::TooLarge } else { RequestProblem::MalformedForm };
        OAuthError::InvalidRequest(problem)
    })?;
    Form::parse(&bytes)
}

/// `application/x-www-form-urlencoded`, with no other parameter than a `charset` of UTF-8.
fn is_form(content_type: &str) -> bool {
    let mut pieces = content_type.split(';').map(str::trim);
    let media_type = pieces.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && pieces.all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// Why a form was refused.
#[derive(Debug)]
pub struct PasswordRequestFormRejection(OAuthError);

impl PasswordRequestFormRejection {
    /// The reason.
    #[must_use]
    pub const fn error(&self) -> &OAuthError {
        &self.0
    }
}

impl From<OAuthError> for PasswordRequestFormRejection {
    fn from(error: OAuthError) -> Self {
        Self(error)
    }
}

impl IntoResponse for PasswordRequestFormRejection {
    fn into_response(self) -> Response {
        refusal(&self.0)
    }
}
