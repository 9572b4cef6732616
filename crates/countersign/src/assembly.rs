//! From routes to axum's router: each handler told what its whole route needs, and behind what stands before it.

use std::{collections::HashSet, sync::Arc};

use axum::routing::MethodRouter as AxumMethodRouter;

use crate::{
    audit::requirement_of,
    guard::{
        Requirement,
        route::{Finish, RouteGuards},
        router::{Covers, Shared, guarded},
    },
    oauth2::OAuth2,
    openapi::Told,
    routes::{Entry, EntryKind, Routes},
    routing::ANY,
};

/// What assembling needs.
pub(crate) struct Assembly<'a, S> {
    oauth2: &'a OAuth2,
    state: &'a S,
    finish: Option<Finish>,
}

impl<'a, S: Clone + Send + Sync + 'static> Assembly<'a, S> {
    pub(crate) const fn new(oauth2: &'a OAuth2, state: &'a S) -> Self {
        Self { oauth2, state, finish: None }
    }

    /// With this done to the answers of all handlers, and not to those of axum's own, as 405.
    pub(crate) const fn finishing(self, finish: Finish) -> Self {
        Self { finish: Some(finish), ..self }
    }

    /// Makes the router of `routes`, and tells of them.
    pub(crate) fn place(&self, routes: Routes<S>, told: &mut Told) -> axum::Router<S> {
        let mut router = axum::Router::new();
        let entries: Vec<_> = routes.into_entries().collect();
        let paths: HashSet<_> =
            entries.iter().filter(|entry| entry.kind == EntryKind::Route).map(|entry| entry.path.clone()).collect();
        for entry in entries {
            let methods = self.methods(&entry, told);
            router = match entry.kind {
                EntryKind::Route => router.route(&entry.path, methods),
                EntryKind::Fallback if entry.path.is_empty() => {
                    router.fallback_service(methods.with_state(self.state.clone()))
                }
                EntryKind::Fallback => {
                    // axum leaves out the prefix with a slash and nothing behind it.
                    let bare = format!("{}/", entry.path);
                    if !paths.contains(&bare) {
                        router = router.route(&bare, methods.clone());
                    }
                    let below = axum::Router::new().fallback_service(methods.with_state(self.state.clone()));
                    router.nest(&entry.path, below)
                }
            };
        }
        router
    }

    fn methods(&self, entry: &Entry<S>, told: &mut Told) -> AxumMethodRouter<S> {
        let before: Vec<Shared<S>> =
            entry.guards.iter().map(|(_, guard)| guard).chain(&entry.methods.guards).cloned().collect();
        let mut methods = AxumMethodRouter::new();
        for handler in &entry.methods.handlers {
            let requirement = requirement_of(entry, &handler.arguments);
            let route = self.route(&requirement);
            if let (Some(operation), EntryKind::Route) = (&handler.operation, entry.kind) {
                told.add(handler.method, &entry.path, operation.clone(), &requirement);
            }
            if handler.is_told_of() && entry.kind == EntryKind::Route {
                told.add_schemas(handler.schemas.clone());
            }
            told.add_adopted(&handler.adopted, &requirement);
            let covers = if handler.method == ANY { Covers::Everything } else { Covers::Methods };
            methods =
                methods.merge(guarded((handler.attach)(route.clone()), covers, before.clone(), route, self.state));
        }
        if let Some(unread) = &entry.methods.unread {
            let requirement = requirement_of(entry, &[]);
            told.add_adopted(&unread.adopted, &requirement);
            let route = self.route(&requirement);
            methods = methods.merge(guarded(unread.router.clone(), Covers::Everything, before, route, self.state));
        }
        methods
    }

    fn route(&self, requirement: &Requirement) -> Arc<RouteGuards> {
        RouteGuards::new(self.oauth2, requirement, self.finish)
    }
}
