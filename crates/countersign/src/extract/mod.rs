//! What a handler may ask for, one file each.

mod access_token;
mod bearer_token;
mod current_user;
mod password_request_form;
mod rejection;

pub use self::{
    access_token::AccessToken,
    bearer_token::BearerToken,
    current_user::CurrentUser,
    password_request_form::{OAuth2PasswordRequestForm, PasswordRequestFormRejection},
    rejection::BearerRejection,
};
pub(crate) use self::{password_request_form::read_form, rejection::unavailable_after};

/// Makes an extractor optional the way `auto_error=False` is meant: no credentials are `None`, bad ones are refused.
macro_rules! optional {
    ($extractor:ident<$($generic:ident),*> where $($bounds:tt)*) => {
        impl<AppState, $($generic),*> axum::extract::OptionalFromRequestParts<AppState> for $extractor<$($generic),*>
        where
            $($bounds)*
        {
            type Rejection = $crate::extract::BearerRejection;

            async fn from_request_parts(
                parts: &mut axum::http::request::Parts,
                state: &AppState,
            ) -> Result<Option<Self>, Self::Rejection> {
                match <Self as axum::extract::FromRequestParts<AppState>>::from_request_parts(parts, state).await {
                    Ok(extracted) => Ok(Some(extracted)),
                    Err(rejection) if rejection.is_for_want_of_credentials() => Ok(None),
                    Err(rejection) => Err(rejection),
                }
            }
        }
    };
}
pub(crate) use optional;
