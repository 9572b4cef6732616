//! Routes of an API, with the guards that stand before them.

use std::{marker::PhantomData, sync::Arc};

use axum::extract::FromRequestParts;

use crate::{
    audit::Origin,
    guard::{
        Argument, RuleFunction,
        router::{ByFunction, ByType, Shared},
    },
    oauth2::OAuth2,
    routing::MethodRouter,
};

/// Routes of an API, or of a part of it: to be nested or merged into others, and at last into a [`Router`](crate::Router).
///
/// A guard of routes stands before all of them, whether they are added before or after it, and before no others.
#[must_use]
pub struct Routes<S = OAuth2> {
    entries: Vec<Entry<S>>,
    /// What stands before all of them, outermost first.
    guards: Vec<Shared<S>>,
}

/// A path, or what is answered where there is none, with its handlers.
pub(crate) struct Entry<S> {
    pub(crate) path: String,
    pub(crate) kind: EntryKind,
    pub(crate) methods: MethodRouter<S>,
    /// What stands before it, outermost first.
    pub(crate) guards: Vec<(Origin, Shared<S>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Requests for the path.
    Route,
    /// Requests below the path for which there is no route.
    Fallback,
}

impl<S> Clone for Entry<S>
where
    MethodRouter<S>: Clone,
{
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), kind: self.kind, methods: self.methods.clone(), guards: self.guards.clone() }
    }
}

impl<S> Clone for Routes<S>
where
    MethodRouter<S>: Clone,
{
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), guards: self.guards.clone() }
    }
}

impl<S> std::fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|entry| (&entry.path, &entry.methods))).finish()
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub const fn new() -> Self {
        Self { entries: Vec::new(), guards: Vec::new() }
    }

    /// Adds a path with its handlers, made by [`routing`](crate::routing).
    pub fn route(self, path: &str, methods: impl Into<MethodRouter<S>>) -> Self {
        self.add(path, EntryKind::Route, methods.into())
    }

    /// Answers requests for which there is no route: guarded or public, as any route. Below a prefix, where these routes
    /// are nested.
    pub fn fallback(self, methods: impl Into<MethodRouter<S>>) -> Self {
        self.add("", EntryKind::Fallback, methods.into())
    }

    fn add(mut self, path: &str, kind: EntryKind, methods: MethodRouter<S>) -> Self {
        self.entries.push(Entry { path: path.to_owned(), kind, methods, guards: Vec::new() });
        self
    }

    /// Puts the guard `G` before all of these routes: what it needs, they need, beside what they need themselves.
    ///
    /// ```
    /// use countersign::{AccessToken, Routes, routing::get, scopes};
    ///
    /// scopes! {
    ///     /// Administration.
    ///     pub Admin = "admin";
    ///     /// Delete users.
    ///     pub DeleteUsers = "users:delete";
    /// }
    ///
    /// // Needs `admin` and `users:delete`.
    /// let admin: Routes = Routes::new()
    ///     .guard::<AccessToken<Admin>>()
    ///     .route("/users", get(async |_: AccessToken<DeleteUsers>| "deleted"));
    /// # drop(admin);
    /// ```
    pub fn guard<G>(mut self) -> Self
    where
        G: FromRequestParts<S> + Argument<S> + Send + 'static,
    {
        self.guards.push(Arc::new(ByType::<G>::new()));
        self
    }

    /// Puts a rule before all of these routes: an async function of guards and other extractors, which returns whether the
    /// request may go on.
    ///
    /// `name` is for the log and the audit, stable and in `snake_case`; `description` is a sentence for the 403 and the
    /// document. A rule that is a type, of which the handler gets what it found, is a [`Rule`](crate::Rule).
    ///
    /// ```
    /// use countersign::{AccessToken, Routes, routing::get};
    ///
    /// let desk: Routes = Routes::new()
    ///     .rule("desk_app", "Only the app of the desk may do that.", async |token: AccessToken| {
    ///         token.client_id().is_some_and(|client| client.as_str() == "desk")
    ///     })
    ///     .route("/desk", get(async || "welcome"));
    /// # drop(desk);
    /// ```
    pub fn rule<A: 'static>(
        mut self,
        name: &'static str,
        description: &'static str,
        function: impl RuleFunction<S, A>,
    ) -> Self {
        self.guards.push(Arc::new(ByFunction { name, description, function, arguments: PhantomData::<fn() -> A> }));
        self
    }

    /// Adds the routes of `other`, each under `prefix`.
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        let prefix = prefix.trim_end_matches('/');
        self.entries.extend(other.into_entries().map(|entry| entry.below(prefix)));
        self
    }

    /// Adds the routes of `other`.
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.into_entries());
        self
    }

    /// Its paths with their handlers, to be told of.
    pub(crate) fn told_mut(&mut self) -> impl Iterator<Item = (&str, &mut MethodRouter<S>)> {
        let routes = self.entries.iter_mut().filter(|entry| entry.kind == EntryKind::Route);
        routes.map(|entry| (&*entry.path, &mut entry.methods))
    }

    /// Whether one of them is at `path`, with a slash at its end or without.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.paths().any(|known| known.trim_end_matches('/') == path)
    }

    /// Whether one of them is at `path` or below.
    pub(crate) fn has_below(&self, path: &str) -> bool {
        self.paths().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn paths(&self) -> impl Iterator<Item = &String> {
        self.entries.iter().filter(|entry| entry.kind == EntryKind::Route).map(|entry| &entry.path)
    }

    /// Its entries, each with all that stands before it.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Entry<S>> {
        let Self { entries, guards } = self;
        entries.into_iter().map(move |mut entry| {
            let ours = guards.iter().map(|guard| (Origin::Router("/".to_owned()), guard.clone()));
            entry.guards = ours.chain(entry.guards).collect();
            entry
        })
    }
}

impl<S> Entry<S> {
    fn below(mut self, prefix: &str) -> Self {
        self.path = below(prefix, &self.path);
        for (origin, _) in &mut self.guards {
            if let Origin::Router(at) = origin {
                *at = below(prefix, at);
            }
        }
        self
    }
}

/// A route `/` below `/api` is `/api`, as with axum.
fn below(prefix: &str, path: &str) -> String {
    match path {
        "/" if !prefix.is_empty() => prefix.to_owned(),
        _ => format!("{prefix}{path}"),
    }
}
