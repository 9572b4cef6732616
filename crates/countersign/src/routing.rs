//! Methods and their handlers, read for what they ask: the siblings of `axum::routing`.
//!
//! # When a handler is not taken
//! Every argument says what it guards, through [`Argument`], and the document tells what a handler takes
//! and returns, through [`aide::OperationInput`] and [`aide::OperationOutput`]. axum's own types do all of it. Of yours:
//! - a type inside of `Json`, `Query` or `Form` derives [`schemars::JsonSchema`];
//! - an extractor gets [`argument!`](crate::argument!), which says what it guards;
//! - an error type gets `impl OperationOutput for MyError { type Inner = Self; }`;
//! - a handler returns `Response` or a named type instead of `impl IntoResponse`, or wraps it in [`aide::NoApi`].
//!
//! ```
//! use axum::{Json, http::StatusCode, response::{IntoResponse, Response}};
//! use countersign::{CurrentUser, aide::OperationOutput, routing::{MethodRouter, get}, scopes};
//!
//! scopes! {
//!     /// Change articles.
//!     pub Edit = "edit";
//! }
//!
//! struct NoSuchArticle;
//!
//! impl IntoResponse for NoSuchArticle {
//!     fn into_response(self) -> Response {
//!         StatusCode::NOT_FOUND.into_response()
//!     }
//! }
//!
//! impl OperationOutput for NoSuchArticle {
//!     type Inner = Self;
//! }
//!
//! async fn edit(user: CurrentUser<Edit>) -> Result<Json<String>, NoSuchArticle> {
//!     if user.username == "alice" { Ok(Json("done".into())) } else { Err(NoSuchArticle) }
//! }
//!
//! let methods: MethodRouter = get(edit);
//! # drop(methods);
//! ```

use std::{marker::PhantomData, sync::Arc};

use aide::operation::{OperationHandler, OperationInput, OperationOutput};
use axum::{extract::FromRequestParts, handler::Handler, routing::MethodRouter as AxumMethodRouter};
use serde_json::Value;

use crate::{
    guard::{
        Argument, Arguments, Requirement, RuleFunction, TakesArguments,
        route::{OnRoute, RouteGuards},
        router::{ByFunction, ByType, Shared},
    },
    oauth2::OAuth2,
    openapi::{Adopted, describe},
    schemas::Schemas,
};

/// The handlers of one path, one a method, with what they say of themselves.
#[must_use]
#[derive(Clone)]
pub struct MethodRouter<S = OAuth2> {
    pub(crate) handlers: Vec<Described<S>>,
    /// Handlers of axum's making, which cannot be read.
    pub(crate) unread: Option<Unread<S>>,
    /// What stands before all of them, outermost first.
    pub(crate) guards: Vec<Shared<S>>,
}

/// How a handler for every method is told of.
pub(crate) const ANY: &str = "*";

/// A handler, and what it says of itself.
#[derive(Clone)]
pub(crate) struct Described<S> {
    /// The method, or [`ANY`].
    pub(crate) method: &'static str,
    /// What its generator tells of it, if anything.
    pub(crate) operation: Option<Value>,
    pub(crate) generator: Generator,
    pub(crate) schemas: Schemas,
    /// What the author's own document tells of it.
    pub(crate) adopted: Vec<Adopted>,
    pub(crate) arguments: Vec<(&'static str, Requirement)>,
    pub(crate) access: Access,
    pub(crate) attach: Attach<S>,
}

/// Whose words an operation is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generator {
    Aide,
    #[cfg(feature = "utoipa")]
    Utoipa,
}

/// Makes the axum router of a handler, once it is known what its whole route needs.
pub(crate) type Attach<S> = Arc<dyn Fn(Arc<RouteGuards>) -> AxumMethodRouter<S> + Send + Sync>;

impl<S> Described<S> {
    /// Whether the document tells of it.
    pub(crate) const fn is_told_of(&self) -> bool {
        self.operation.is_some() || !self.adopted.is_empty()
    }
}

#[derive(Clone)]
pub(crate) struct Unread<S> {
    pub(crate) router: AxumMethodRouter<S>,
    pub(crate) access: Access,
    /// What the author's own document tells of its methods.
    pub(crate) adopted: Vec<Adopted>,
}

/// Who may call, as the author said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whom the guards let in; a handler without one is an oversight.
    Guarded,
    /// Everybody.
    Public,
}

impl<S> std::fmt::Debug for MethodRouter<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let methods: Vec<_> = self.handlers.iter().map(|handler| (handler.method, handler.access)).collect();
        f.debug_struct("MethodRouter").field("methods", &methods).finish_non_exhaustive()
    }
}

impl<S> MethodRouter<S> {
    pub(crate) const fn none() -> Self {
        Self { handlers: Vec::new(), unread: None, guards: Vec::new() }
    }

    /// Keeps what these handlers tell of themselves out of the document. They are checked all the same, and stand in the
    /// audit.
    pub fn undocumented(mut self) -> Self {
        for handler in &mut self.handlers {
            handler.operation = None;
        }
        self
    }
}

impl<S> MethodRouter<S> {
    /// Changes what the document tells of these handlers.
    pub(crate) fn described(mut self, describe: impl Fn(&mut Value)) -> Self {
        self.handlers.iter_mut().filter_map(|handler| handler.operation.as_mut()).for_each(describe);
        self
    }
}

impl<S: Send + Sync + 'static> MethodRouter<S> {
    /// Puts the guard `G` before all handlers of this path, those that are chained after it too.
    pub fn guard<G>(self) -> Self
    where
        G: FromRequestParts<S> + Argument<S> + Send + 'static,
    {
        self.guarded_by(Arc::new(ByType::<G>::new()))
    }

    pub(crate) fn guarded_by(mut self, guard: Shared<S>) -> Self {
        self.guards.push(guard);
        self
    }

    /// Puts a rule before all handlers of this path, as [`Routes::rule`](crate::Routes::rule) does.
    pub fn rule<A: 'static>(
        self,
        name: &'static str,
        description: &'static str,
        function: impl RuleFunction<S, A>,
    ) -> Self {
        self.guarded_by(Arc::new(ByFunction { name, description, function, arguments: PhantomData::<fn() -> A> }))
    }
}

/// Marks handlers as ones that everybody may call: those that are there, and not what is chained after them. A route
/// that is neither guarded nor public does not start.
///
/// Takes what [`get`] and its siblings make, or an `axum::routing::MethodRouter`, which the document then does not
/// tell of. A guard of the router around it is checked all the same.
pub fn public<M: MakePublic>(methods: M) -> M::Public {
    methods.make_public()
}

/// Handlers that [`public`] takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not of handlers that can be made public",
    note = "`public` takes what `countersign::routing::get` and its siblings make, or a router of `axum::routing`"
)]
pub trait MakePublic {
    /// The same handlers, for everybody.
    type Public;

    /// Marks them.
    fn make_public(self) -> Self::Public;
}

impl<S> MakePublic for MethodRouter<S> {
    type Public = Self;

    fn make_public(mut self) -> Self {
        for handler in &mut self.handlers {
            handler.access = Access::Public;
        }
        if let Some(unread) = &mut self.unread {
            unread.access = Access::Public;
        }
        self
    }
}

impl<S> MakePublic for AxumMethodRouter<S> {
    type Public = MethodRouter<S>;

    fn make_public(self) -> MethodRouter<S> {
        MethodRouter::from(self).make_public()
    }
}

/// A router of axum's: its handlers cannot be read, so it is not documented, and it must be [`public`] or stand behind a
/// guard of its router.
impl<S> From<AxumMethodRouter<S>> for MethodRouter<S> {
    fn from(router: AxumMethodRouter<S>) -> Self {
        Self { unread: Some(Unread { router, access: Access::Guarded, adopted: Vec::new() }), ..Self::none() }
    }
}

macro_rules! methods {
    ($($method:ident $METHOD:literal $operation:expr;)*) => {
        $(
            #[doc = concat!("Calls the handler for `", $METHOD, "`, and reads its guards for the check at the start and the document.")]
            pub fn $method<H, I, O, T, S>(handler: H) -> MethodRouter<S>
            where
                H: TakesArguments<I> + OperationHandler<I, O> + Handler<T, S, Future: Unpin>,
                I: Arguments<S> + OperationInput,
                O: OperationOutput,
                T: 'static,
                S: Clone + Send + Sync + 'static,
            {
                MethodRouter::none().$method(handler)
            }
        )*

        impl<S: Clone + Send + Sync + 'static> MethodRouter<S> {
            $(
                #[doc = concat!("Also calls this handler for `", $METHOD, "`.")]
                pub fn $method<H, I, O, T>(mut self, handler: H) -> Self
                where
                    H: TakesArguments<I> + OperationHandler<I, O> + Handler<T, S, Future: Unpin>,
                    I: Arguments<S> + OperationInput,
                    O: OperationOutput,
                    T: 'static,
                {
                    let (operation, schemas) = $operation(&handler);
                    self.handlers.push(Described {
                        method: $METHOD,
                        operation,
                        generator: Generator::Aide,
                        schemas,
                        adopted: Vec::new(),
                        arguments: I::list(),
                        access: Access::Guarded,
                        attach: Arc::new(move |route| axum::routing::$method(OnRoute { handler: handler.clone(), route })),
                    });
                    self
                }
            )*
        }
    };
}

methods! {
    get "GET" |handler: &H| describe(aide::axum::routing::get(handler.clone()));
    post "POST" |handler: &H| describe(aide::axum::routing::post(handler.clone()));
    put "PUT" |handler: &H| describe(aide::axum::routing::put(handler.clone()));
    patch "PATCH" |handler: &H| describe(aide::axum::routing::patch(handler.clone()));
    delete "DELETE" |handler: &H| describe(aide::axum::routing::delete(handler.clone()));
    any "*" |_: &H| (None, Schemas::default());
}
