//! Guards: what an argument, a route or a router needs of a request, and how it refuses.

mod arguments;
pub(crate) mod challenge;
mod form_token;
pub(crate) mod refusal;
pub(crate) mod requirement;
pub(crate) mod route;
pub(crate) mod router;
pub(crate) mod rule;

use crate::oauth2::OAuth2;

pub use self::{
    refusal::Refusal,
    requirement::Requirement,
    rule::{Denied, Rule, RuleFunction, Verdict},
};

/// An argument of a handler, which says what it needs of a request; `S` is the state of the application.
///
/// The guards of countersign say it of themselves, and axum's extractors say that they need nothing. Of yours:
///
/// ```
/// use axum::{extract::FromRequestParts, http::request::Parts};
/// use countersign::{CurrentUser, OAuth2, Refusal, argument, scopes};
///
/// scopes! {
///     /// Change articles.
///     pub Edit = "edit";
/// }
///
/// /// No guard.
/// struct Language(String);
///
/// argument!(Language);
///
/// /// A guard, made of one that is there: `Editor` needs what `CurrentUser<Edit>` needs.
/// struct Editor(CurrentUser<Edit>);
///
/// argument!(Editor: CurrentUser<Edit>);
///
/// impl FromRequestParts<OAuth2> for Editor {
///     type Rejection = Refusal;
///
///     async fn from_request_parts(parts: &mut Parts, state: &OAuth2) -> Result<Self, Refusal> {
///         <CurrentUser<Edit> as FromRequestParts<_>>::from_request_parts(parts, state).await.map(Self)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether it guards anything",
    label = "not known as an argument of a handler",
    note = "if it is an extractor of yours that guards nothing: `countersign::argument!({Self});`",
    note = "if it is a guard made of another: `countersign::argument!({Self}: CurrentUser<Edit>);`",
    note = "if it is another crate's extractor that guards nothing: `countersign::extract::Plain<{Self}>`"
)]
pub trait Argument<S = OAuth2> {
    /// What it needs; nothing, unless it is a guard.
    #[must_use]
    fn requirement() -> Requirement {
        Requirement::none()
    }
}

/// The arguments of a handler, in their order.
pub trait Arguments<S> {
    /// Each with the name of its type and what it needs.
    fn list() -> Vec<(&'static str, Requirement)>;
}

/// A function of these arguments, whatever it returns: so that the compiler tells of an argument that does not fit by its
/// name.
#[doc(hidden)]
pub trait TakesArguments<I> {}

/// Says of an extractor of yours that it guards nothing, or that it needs what another guard needs.
///
/// See [`Argument`]. It implements `aide::OperationInput` too, which tells the document nothing more of it.
#[macro_export]
macro_rules! argument {
    ($extractor:ty) => {
        impl<S> $crate::Argument<S> for $extractor {}
        impl $crate::aide::OperationInput for $extractor {}
    };
    ($extractor:ty : $guard:ty) => {
        impl<S> $crate::Argument<S> for $extractor
        where
            $guard: $crate::Argument<S>,
        {
            fn requirement() -> $crate::Requirement {
                <$guard as $crate::Argument<S>>::requirement()
            }
        }
        impl $crate::aide::OperationInput for $extractor {}
    };
}
