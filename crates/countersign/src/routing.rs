//! Methods and their handlers, read for what they ask: the siblings of `axum::routing`.
//!
//! # When a handler is not taken
//! The document tells what a handler takes and returns, so every argument says so through [`aide::OperationInput`], and
//! the result through [`aide::OperationOutput`]; axum's own types do. Of yours:
//! - a type inside of `Json`, `Query` or `Form` derives [`schemars::JsonSchema`];
//! - an extractor gets `impl OperationInput for MyExtractor {}`; one that wraps a guard passes the guard's words on:
//!   `CurrentUser::<Admin>::operation_input(context, operation)`;
//! - an error type gets `impl OperationOutput for MyError { type Inner = Self; }`;
//! - a handler returns `Response` or a named type instead of `impl IntoResponse`, or wraps it in [`aide::NoApi`].
//!
//! ```
//! use axum::{Json, extract::FromRequestParts, http::{StatusCode, request::Parts}, response::{IntoResponse, Response}};
//! use countersign::{
//!     BearerRejection, CurrentUser, OAuth2,
//!     aide::{OperationInput, OperationOutput, generate::GenContext, openapi::Operation},
//!     routing::{MethodRouter, get},
//!     scopes,
//! };
//!
//! scopes! {
//!     /// Change articles.
//!     pub Edit = "edit";
//! }
//!
//! /// A guard of one's own, made of one that is there.
//! struct Editor(CurrentUser<Edit>);
//!
//! impl FromRequestParts<OAuth2> for Editor {
//!     type Rejection = BearerRejection;
//!
//!     async fn from_request_parts(parts: &mut Parts, state: &OAuth2) -> Result<Self, Self::Rejection> {
//!         <CurrentUser<Edit> as FromRequestParts<_>>::from_request_parts(parts, state).await.map(Self)
//!     }
//! }
//!
//! impl OperationInput for Editor {
//!     fn operation_input(context: &mut GenContext, operation: &mut Operation) {
//!         CurrentUser::<Edit>::operation_input(context, operation);
//!     }
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
//! async fn edit(editor: Editor) -> Result<Json<String>, NoSuchArticle> {
//!     if editor.0.username == "alice" { Ok(Json("done".into())) } else { Err(NoSuchArticle) }
//! }
//!
//! let methods: MethodRouter = get(edit);
//! # drop(methods);
//! ```

use aide::{
    axum::routing::ApiMethodRouter,
    operation::{OperationHandler, OperationInput, OperationOutput},
};
use axum::{handler::Handler, routing::MethodRouter as AxumMethodRouter};

use crate::{
    oauth2::OAuth2,
    openapi::{COUNT, settle},
    schemas::Schemas,
};

/// The handlers of one path, one a method, with what they say of themselves.
#[must_use]
#[derive(Clone)]
pub struct MethodRouter<S = OAuth2> {
    pub(crate) api: ApiMethodRouter<S>,
    pub(crate) schemas: Schemas,
    /// The methods whose handlers were read.
    methods: Vec<&'static str>,
    /// Those of them that everybody may call, as the author said.
    pub(crate) public: Vec<&'static str>,
    pub(crate) handlers: Handlers,
}

/// Whether all handlers were read for their guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handlers {
    /// They were, or the author said that those that were not are for everybody.
    Decided,
    /// Some are of axum's making, and nobody said who may call them.
    Unreadable,
}

impl<S> std::fmt::Debug for MethodRouter<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MethodRouter")
            .field("methods", &self.methods)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl<S: Clone> MethodRouter<S> {
    fn none() -> Self {
        let api = ApiMethodRouter::new();
        Self { api, schemas: Schemas::default(), methods: Vec::new(), public: Vec::new(), handlers: Handlers::Decided }
    }

    fn add(mut self, method: &'static str, add: impl FnOnce(ApiMethodRouter<S>) -> ApiMethodRouter<S>) -> Self {
        self.api = add(self.api);
        self.methods.push(method);
        // The generator gathers types by thread; taking them at once lets a router be built across awaits.
        let mut schemas = aide::generate::in_context(|context| context.schema.take_definitions(true));
        schemas.remove(COUNT);
        self.schemas.add(schemas);
        self
    }
}

/// Marks handlers as ones that everybody may call: those that are there, and not what is chained after them. A route
/// that is neither guarded nor public does not start.
///
/// Takes what [`get`] and its siblings make, or an `axum::routing::MethodRouter`, which the document then does not
/// tell of.
pub fn public<S>(methods: impl Into<MethodRouter<S>>) -> MethodRouter<S> {
    let methods = methods.into();
    MethodRouter { public: methods.methods.clone(), handlers: Handlers::Decided, ..methods }
}

/// A router of axum's: its handlers cannot be read, so it is not documented, and it must be [`public`].
impl<S: Clone> From<AxumMethodRouter<S>> for MethodRouter<S> {
    fn from(router: AxumMethodRouter<S>) -> Self {
        Self { api: router.into(), handlers: Handlers::Unreadable, ..Self::none() }
    }
}

macro_rules! methods {
    ($($method:ident $with:ident $METHOD:literal;)*) => {
        $(
            #[doc = concat!("Calls the handler for `", $METHOD, "`, and reads its guards for the check at the start and the document.")]
            pub fn $method<H, I, O, T, S>(handler: H) -> MethodRouter<S>
            where
                H: Handler<T, S> + OperationHandler<I, O>,
                I: OperationInput,
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
                pub fn $method<H, I, O, T>(self, handler: H) -> Self
                where
                    H: Handler<T, S> + OperationHandler<I, O>,
                    I: OperationInput,
                    O: OperationOutput,
                    T: 'static,
                {
                    self.add($METHOD, |api| api.$with(handler, settle::<I>))
                }
            )*
        }
    };
}

methods! {
    get get_with "GET";
    post post_with "POST";
    put put_with "PUT";
    patch patch_with "PATCH";
    delete delete_with "DELETE";
}
