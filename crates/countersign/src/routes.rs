//! Routes of an API, with what their handlers say of themselves.

use aide::axum::ApiRouter;

use crate::{
    oauth2::OAuth2,
    openapi::mark_public,
    routing::{Handlers, MethodRouter},
    schemas::Schemas,
};

/// Routes of an API, or of a part of it: to be nested or merged into others, and at last into a [`Router`](crate::Router).
#[must_use]
#[derive(Clone, Debug)]
pub struct Routes<S = OAuth2> {
    pub(crate) api: ApiRouter<S>,
    pub(crate) schemas: Schemas,
    /// All paths, documented or not.
    pub(crate) paths: Vec<String>,
    /// Routes that cannot be read for guards, and that nobody said to be public.
    pub(crate) unreadable: Vec<String>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub fn new() -> Self {
        Self { api: ApiRouter::new(), schemas: Schemas::default(), paths: Vec::new(), unreadable: Vec::new() }
    }

    /// Adds a path with its handlers, made by [`routing`](crate::routing).
    pub fn route(mut self, path: &str, methods: impl Into<MethodRouter<S>>) -> Self {
        let MethodRouter { api, schemas, public, handlers, .. } = methods.into();
        self.schemas.append(schemas);
        self.paths.push(path.to_owned());
        if handlers == Handlers::Unreadable {
            self.unreadable.push(path.to_owned());
        }
        let route = ApiRouter::new().api_route(path, api).with_path_items(|mut item| {
            mark_public(item.inner_mut(), &public);
            item
        });
        self.api = self.api.merge(route);
        self
    }

    /// Adds the routes of `other`, each under `prefix`.
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let under = |path: &String| format!("{prefix}{path}");
        self.paths.extend(other.paths.iter().map(under));
        self.unreadable.extend(other.unreadable.iter().map(under));
        self.schemas.append(other.schemas);
        // Not nested into `self`: the generator would replace what the document tells of a path that is there already.
        self.api = self.api.merge(ApiRouter::new().nest(prefix, other.api));
        self
    }

    /// Adds the routes of `other`.
    pub fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        self.unreadable.extend(other.unreadable);
        self.schemas.append(other.schemas);
        self.api = self.api.merge(other.api);
        self
    }
}
