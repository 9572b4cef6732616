//! Rules beyond scopes, written by the author: who owns what, which role, since when.

use std::future::Future;

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use countersign_core::store::StoreError;

use super::{Argument, Requirement};

/// A rule beyond scopes as a type, to be had as [`Allowed<Self>`](crate::Allowed): it stands on a guard, and what it
/// finds the handler gets.
///
/// ```
/// use axum::{extract::{FromRequestParts, Path}, http::request::Parts};
/// use countersign::{Allowed, CurrentUser, Denied, OAuth2, Rule, StoreError, routing::{MethodRouter, get}};
///
/// /// The owner's `sub`, out of a table of yours: it names somebody for ever, and a user name may change hands.
/// async fn owner_of(item: u32) -> Result<String, StoreError> {
///     Ok(format!("owner-{item}"))
/// }
///
/// /// An item that the user owns.
/// struct OwnItem(u32);
///
/// impl Rule for OwnItem {
///     type Guard = CurrentUser;
///     type State = OAuth2;
///     const NAME: &'static str = "owner_of_item";
///     const DESCRIPTION: &'static str = "The item is not yours.";
///
///     async fn check(user: CurrentUser, parts: &mut Parts, state: &OAuth2) -> Result<Self, Denied> {
///         let Path(item) = Path::<u32>::from_request_parts(parts, state).await.map_err(Denied::answer)?;
///         if owner_of(item).await? == user.sub { Ok(Self(item)) } else { Err(Denied::Refused) }
///     }
/// }
///
/// async fn read_item(item: Allowed<OwnItem>) -> String {
///     format!("item {}", item.0.0)
/// }
///
/// let methods: MethodRouter = get(read_item);
/// # drop(methods);
/// ```
pub trait Rule: Sized + Send {
    /// The guard on which it stands, and which it is given.
    type Guard: Send;

    /// The part of the application's state that it looks at.
    type State: Send + Sync;

    /// Its name in the log and the audit: stable, in `snake_case`.
    const NAME: &'static str;

    /// What the 403 says, and the document: a sentence.
    const DESCRIPTION: &'static str;

    /// Decides.
    ///
    /// # Errors
    /// [`Denied`]: how the request is refused.
    fn check(
        guard: Self::Guard,
        parts: &mut Parts,
        state: &Self::State,
    ) -> impl Future<Output = Result<Self, Denied>> + Send;
}

/// How a rule refuses a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Denied {
    /// 403, with the rule's description.
    Refused,
    /// 401: the credentials, which the guard only read, are not good.
    Unauthenticated,
    /// 503: it cannot be known now.
    Unavailable(StoreError),
    /// This answer.
    Answer(Box<Response>),
}

impl Denied {
    /// Any answer, such as a 404 where nobody should learn what is there.
    pub fn answer(answer: impl IntoResponse) -> Self {
        Self::Answer(Box::new(answer.into_response()))
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

/// What a rule that is a function may return: `bool`, or `Result<(), Denied>`.
#[derive(Debug)]
pub struct Verdict(Result<(), Denied>);

impl Verdict {
    /// What is refused, if anything is.
    pub(super) fn denied(self) -> Option<Denied> {
        self.0.err()
    }
}

impl From<bool> for Verdict {
    fn from(allowed: bool) -> Self {
        Self(if allowed { Ok(()) } else { Err(Denied::Refused) })
    }
}

impl From<Result<(), Denied>> for Verdict {
    fn from(verdict: Result<(), Denied>) -> Self {
        Self(verdict)
    }
}

/// A rule as a function of what it looks at: guards, and other extractors that leave the body alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a rule",
    note = "a rule is an async function of up to four guards or extractors that returns `bool` or `Result<(), Denied>`"
)]
pub trait RuleFunction<S, A>: Send + Sync + 'static {
    /// What its guards need.
    fn requirement() -> Requirement;

    /// Decides; a guard of its own may refuse before.
    fn call(&self, parts: &mut Parts, state: &S) -> impl Future<Output = Result<Verdict, Response>> + Send;
}

macro_rules! functions {
    ($($($argument:ident)+;)*) => {$(
        impl<S, F, Answering, V, $($argument),+> RuleFunction<S, ($($argument,)+)> for F
        where
            S: Send + Sync,
            F: Fn($($argument),+) -> Answering + Send + Sync + 'static,
            Answering: Future<Output = V> + Send,
            V: Into<Verdict>,
            $($argument: FromRequestParts<S> + Argument<S> + Send,)+
        {
            fn requirement() -> Requirement {
                Requirement::none()$(.and($argument::requirement()))+
            }

            #[expect(non_snake_case, reason = "each argument is named after its type")]
            async fn call(&self, parts: &mut Parts, state: &S) -> Result<Verdict, Response> {
                $(let $argument = $argument::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;)+
                Ok(self($($argument),+).await.into())
            }
        }
    )*};
}

functions! {
    A;
    A B;
    A B C;
    A B C D;
}
