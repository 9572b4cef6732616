//! `Plain<T>`: an extractor of another crate, which guards nothing.

use std::ops::Deref;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};

use crate::guard::Argument;

/// An extractor of another crate that guards nothing, such as `Plain<CookieJar>`. The document does not tell of it.
#[derive(Clone, Copy, Debug)]
pub struct Plain<T>(pub T);

impl<T> Deref for Plain<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S: Sync, T: FromRequestParts<S>> FromRequestParts<S> for Plain<T> {
    type Rejection = T::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, T::Rejection> {
        T::from_request_parts(parts, state).await.map(Self)
    }
}

impl<S: Sync, T: FromRequest<S>> FromRequest<S> for Plain<T> {
    type Rejection = T::Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, T::Rejection> {
        T::from_request(request, state).await.map(Self)
    }
}

impl<S, T> Argument<S> for Plain<T> {}

impl<T> aide::OperationInput for Plain<T> {}
