//! The glue to utoipa: handlers with `#[utoipa::path]` as routes, and documents of utoipa with the locks of the guards.
//!
//! - [`routes!`] takes path, methods, operation and types from `#[utoipa::path]`, and the guards from the handler's
//!   arguments. [`Routes::routes`](crate::Routes::routes) and [`Router::routes`](crate::Router::routes) take it.
//! - [`Router::document`](crate::Router::document) has the document that you have already served, locked.
//! - [`Router::lock_document`](crate::Router::lock_document) locks one that you serve yourself.
//!
//! A type that a handler takes or returns needs [`utoipa::ToSchema`](::utoipa::ToSchema) only, and an extractor of yours
//! [`argument!`](crate::argument!).
//!
//! ```
//! use axum::Json;
//! use countersign::{CurrentUser, Memory, OAuth2, Router, routing::public, scopes, utoipa::routes};
//!
//! scopes! {
//!     /// Read items.
//!     pub ReadItems = "read:items";
//! }
//!
//! #[derive(serde::Serialize, utoipa::ToSchema)]
//! struct Item {
//!     name: String,
//! }
//!
//! #[utoipa::path(get, path = "/items", responses((status = 200, body = Vec<Item>)))]
//! async fn list_items(user: CurrentUser<ReadItems>) -> Json<Vec<Item>> {
//!     Json(vec![Item { name: user.username.clone() }])
//! }
//!
//! #[utoipa::path(get, path = "/health", responses((status = 200)))]
//! async fn health() {}
//!
//! # async fn app() -> countersign::Result<Router> {
//! let oauth2 = OAuth2::new(Memory::new()).build().await?;
//! let app = oauth2.router().routes(routes!(list_items)).routes(public(routes!(health)));
//! # Ok(app)
//! # }
//! ```

mod document;

use std::{marker::PhantomData, sync::Arc};

use ::utoipa::openapi::{OpenApi, PathItem, path::Operation};
use axum::{
    extract::{FromRef, FromRequestParts},
    handler::Handler,
    routing::{MethodFilter, on},
};

#[doc(inline)]
pub use crate::utoipa_routes as routes;
use crate::{
    guard::{
        Argument, Arguments, RuleFunction, TakesArguments,
        route::OnRoute,
        router::{ByFunction, Shared},
    },
    oauth2::OAuth2,
    router::Router,
    routes::Routes,
    routing::{Access, Described, Generator, MakePublic, MethodRouter},
    schemas::Schemas,
};

/// Handlers at the paths of their `#[utoipa::path]`; made by [`routes!`].
#[must_use]
#[derive(Clone, Debug)]
pub struct PathHandlers<S = OAuth2>(Vec<(String, MethodRouter<S>)>);

impl<S: Clone + Send + Sync + 'static> Default for PathHandlers<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> PathHandlers<S> {
    /// No handlers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a handler with the document that utoipa makes of it alone: [`routes!`] does so.
    #[expect(clippy::needless_pass_by_value, reason = "handlers are handed over, as to `routing::get`")]
    pub fn handler<H, A, T>(mut self, document: OpenApi, handler: H) -> Self
    where
        H: TakesArguments<A> + Handler<T, S, Future: Unpin>,
        A: Arguments<S>,
        T: 'static,
    {
        let mut schemas = Schemas::default();
        for (name, schema) in document.components.unwrap_or_default().schemas {
            schemas.add([(name, serde_json::to_value(schema).unwrap_or_default())].into_iter().collect());
        }
        for (path, item) in document.paths.paths {
            let mut methods = MethodRouter::none();
            for (method, filter, operation) in operations(&item) {
                let handler = handler.clone();
                methods.handlers.push(Described {
                    method,
                    operation: serde_json::to_value(operation).ok(),
                    generator: Generator::Utoipa,
                    schemas: schemas.clone(),
                    adopted: Vec::new(),
                    arguments: A::list(),
                    access: Access::Guarded,
                    attach: Arc::new(move |route| on(filter, OnRoute { handler: handler.clone(), route })),
                });
            }
            self.add(path, methods);
        }
        self
    }

    fn add(&mut self, path: String, methods: MethodRouter<S>) {
        match self.0.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => known.handlers.extend(methods.handlers),
            None => self.0.push((path, methods)),
        }
    }

    fn map(self, change: impl Fn(MethodRouter<S>) -> MethodRouter<S>) -> Self {
        Self(self.0.into_iter().map(|(path, methods)| (path, change(methods))).collect())
    }

    /// Puts the guard `G` before all of these handlers.
    pub fn guard<G>(self) -> Self
    where
        G: FromRequestParts<S> + Argument<S> + Send + 'static,
    {
        self.map(MethodRouter::guard::<G>)
    }

    /// Puts a rule before all of these handlers, as [`Routes::rule`] does.
    pub fn rule<A: 'static>(
        self,
        name: &'static str,
        description: &'static str,
        function: impl RuleFunction<S, A>,
    ) -> Self {
        let rule: Shared<S> = Arc::new(ByFunction { name, description, function, arguments: PhantomData::<fn() -> A> });
        self.map(|methods| methods.guarded_by(rule.clone()))
    }

    /// Keeps what these handlers tell of themselves out of the document. They are checked all the same, and stand in the
    /// audit.
    pub fn undocumented(self) -> Self {
        self.map(MethodRouter::undocumented)
    }
}

/// Each method that axum knows of, with what is told of it.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, MethodFilter, &Operation)> {
    let all = [
        ("GET", MethodFilter::GET, &item.get),
        ("PUT", MethodFilter::PUT, &item.put),
        ("POST", MethodFilter::POST, &item.post),
        ("DELETE", MethodFilter::DELETE, &item.delete),
        ("OPTIONS", MethodFilter::OPTIONS, &item.options),
        ("HEAD", MethodFilter::HEAD, &item.head),
        ("PATCH", MethodFilter::PATCH, &item.patch),
        ("TRACE", MethodFilter::TRACE, &item.trace),
    ];
    all.into_iter().filter_map(|(method, filter, operation)| Some((method, filter, operation.as_ref()?)))
}

impl<S> MakePublic for PathHandlers<S> {
    type Public = Self;

    fn make_public(self) -> Self {
        Self(self.0.into_iter().map(|(path, methods)| (path, methods.make_public())).collect())
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Adds handlers at the paths of their `#[utoipa::path]`, as [`routes!`] collects them.
    pub fn routes(self, handlers: PathHandlers<S>) -> Self {
        handlers.0.into_iter().fold(self, |routes, (path, methods)| routes.route(&path, methods))
    }
}

impl<S> Router<S>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    /// Adds handlers at the paths of their `#[utoipa::path]`, as [`Routes::routes`] does.
    pub fn routes(self, handlers: PathHandlers<S>) -> Self {
        self.with_routes(|routes| routes.routes(handlers))
    }
}

/// Collects handlers with `#[utoipa::path]`, of one path or of several, into [`PathHandlers`].
///
/// The path of each is that of its `#[utoipa::path]`, below the prefix under which it is nested. Its types and a tag come
/// as with `#[openapi(paths(…))]`, so a handler of another module gets that module as its tag unless it has one.
///
/// ```
/// # mod items {
/// #     #[utoipa::path(get, path = "/items")]
/// #     pub(crate) async fn list(_: countersign::AccessToken) {}
/// #     #[utoipa::path(post, path = "/items")]
/// #     pub(crate) async fn create(_: countersign::AccessToken) {}
/// # }
/// use countersign::{Routes, utoipa::routes};
///
/// let api: Routes = Routes::new().routes(routes!(items::list, items::create));
/// # drop(api);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! utoipa_routes {
    ($($($handler:ident)::+),+ $(,)?) => {
        $crate::utoipa::PathHandlers::new()$(.handler(
            {
                #[derive(::utoipa::OpenApi)]
                #[openapi(paths($($handler)::+))]
                struct Documented;
                <Documented as ::utoipa::OpenApi>::openapi()
            },
            $($handler)::+,
        ))+
    };
}
