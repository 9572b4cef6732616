//! What a handler may ask for, one file each.

mod access_token;
mod allowed;
mod bearer_token;
mod both;
mod claims;
mod credentials;
mod current_user;
mod either;
mod password_request_form;
mod plain;

pub(crate) use self::password_request_form::read_form;
pub use self::{
    access_token::AccessToken,
    allowed::Allowed,
    bearer_token::BearerToken,
    both::Both,
    claims::Claims,
    credentials::Credentials,
    current_user::CurrentUser,
    either::Either,
    password_request_form::{OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict, PasswordRequestFormRejection},
    plain::Plain,
};

/// What makes an extractor a guard: what it needs, and its optional form, as `auto_error=False` is meant: no credentials
/// are `None`, bad ones are refused.
macro_rules! guard {
    ($extractor:ident<$($generic:ident $(: $bound:path)?),*> needs $requirement:expr; where $($bounds:tt)*) => {
        impl<AppState, $($generic),*> $crate::guard::Argument<AppState> for $extractor<$($generic),*>
        where
            $($bounds)*
        {
            fn requirement() -> $crate::guard::Requirement {
                $requirement
            }
        }

        impl<$($generic $(: $bound)?),*> aide::OperationInput for $extractor<$($generic),*> {}

        impl<AppState, $($generic $(: $bound)?),*> axum::extract::OptionalFromRequestParts<AppState>
            for $extractor<$($generic),*>
        where
            AppState: Sync,
            Self: axum::extract::FromRequestParts<AppState, Rejection = $crate::guard::Refusal>,
        {
            type Rejection = $crate::guard::Refusal;

            async fn from_request_parts(
                parts: &mut axum::http::request::Parts,
                state: &AppState,
            ) -> Result<Option<Self>, Self::Rejection> {
                match <Self as axum::extract::FromRequestParts<AppState>>::from_request_parts(parts, state).await {
                    Ok(extracted) => Ok(Some(extracted)),
                    Err(refusal) if refusal.is_for_want_of_credentials() => Ok(None),
                    Err(refusal) => Err(refusal),
                }
            }
        }
    };
}
pub(crate) use guard;
