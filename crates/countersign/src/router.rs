//! The API as a router: the author's routes, checked, beside the endpoints of countersign.

use std::collections::HashSet;

use axum::extract::{FromRef, FromRequestParts};

use crate::{
    assembly::Assembly,
    audit::{Audit, AuditedAccess, Finding},
    endpoint::{self, Finished, Replaceable},
    guard::{Argument, RuleFunction},
    oauth2::{HoldsOAuth2, OAuth2},
    openapi::{AuthorsDocument, Told, Written},
    routes::Routes,
    routing::MethodRouter,
    start_error::StartError,
};

/// An API: the endpoints of countersign, and the author's routes. Made by [`OAuth2::router`].
#[must_use]
#[derive(Debug)]
pub struct Router<S = OAuth2> {
    oauth2: OAuth2,
    state: S,
    routes: Routes<S>,
    document: AuthorsDocument,
    changes: Changes,
}

/// What the author does to the finished router.
#[derive(Default)]
struct Changes(Vec<Box<dyn FnOnce(axum::Router) -> axum::Router + Send>>);

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} changes", self.0.len())
    }
}

impl OAuth2 {
    /// The API: the endpoints of countersign, and room for yours.
    pub fn router(&self) -> Router<Self> {
        self.router_with_state(self.clone())
    }

    /// As [`OAuth2::router`], for handlers that need a state of yours: one from which the handle can be had
    /// (`impl FromRef<AppState> for OAuth2`).
    pub fn router_with_state<AppState>(&self, state: AppState) -> Router<AppState>
    where
        AppState: HoldsOAuth2 + Clone + Send + Sync + 'static,
    {
        Router {
            oauth2: self.clone(),
            state,
            routes: Routes::new(),
            document: AuthorsDocument::default(),
            changes: Changes::default(),
        }
    }
}

impl<S> Router<S>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    /// Adds a path with its handlers, made by [`routing`](crate::routing).
    ///
    /// A route of yours at `/users/me` or `/users/me/`, whatever its method, takes the place of the built-in one; so does
    /// one at or below `/users/me/grants` or `/users/me/password`.
    pub fn route(mut self, path: &str, methods: impl Into<MethodRouter<S>>) -> Self {
        self.routes = self.routes.route(path, methods);
        self
    }

    /// Answers requests for which there is no route: guarded or public, as any route.
    pub fn fallback(mut self, methods: impl Into<MethodRouter<S>>) -> Self {
        self.routes = self.routes.fallback(methods);
        self
    }

    /// Puts the guard `G` before all routes of yours, as [`Routes::guard`] does; the endpoints of countersign stay as they
    /// are.
    pub fn guard<G>(mut self) -> Self
    where
        G: FromRequestParts<S> + Argument<S> + Send + 'static,
    {
        self.routes = self.routes.guard::<G>();
        self
    }

    /// Puts a rule before all routes of yours, as [`Routes::rule`] does.
    pub fn rule<A: 'static>(
        mut self,
        name: &'static str,
        description: &'static str,
        function: impl RuleFunction<S, A>,
    ) -> Self {
        self.routes = self.routes.rule(name, description, function);
        self
    }

    /// Adds `routes`, each under `prefix`.
    pub fn nest(mut self, prefix: &str, routes: Routes<S>) -> Self {
        self.routes = self.routes.nest(prefix, routes);
        self
    }

    /// Adds `routes`.
    pub fn merge(mut self, routes: Routes<S>) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Changes the finished axum router: for layers such as CORS or logging, and for a fallback.
    ///
    /// What is added here is not checked, nor told of in the document.
    ///
    /// ```
    /// use countersign::{Memory, OAuth2, Router, security_headers};
    ///
    /// # async fn app() -> countersign::Result<Router> {
    /// let oauth2 = OAuth2::new(Memory::new()).build().await?;
    /// let app = oauth2.router().map(move |router| security_headers(router, &oauth2).fallback(async || "nobody is here"));
    /// # Ok(app)
    /// # }
    /// ```
    pub fn map(mut self, change: impl FnOnce(axum::Router) -> axum::Router + Send + 'static) -> Self {
        self.changes.0.push(Box::new(change));
        self
    }

    /// The handle.
    pub const fn oauth2(&self) -> &OAuth2 {
        &self.oauth2
    }

    /// Every route, those of countersign too, with who may call it and where that was said: for a test of yours.
    /// Each path of countersign is there once, without its twin with a slash at the end.
    ///
    /// ```
    /// use countersign::{CurrentUser, Memory, OAuth2, audit::AuditedAccess, routing::get};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> countersign::Result<()> {
    /// let oauth2 = OAuth2::new(Memory::new()).build().await?;
    /// let app = oauth2.router().route("/items", get(async |_: CurrentUser| "items"));
    /// let audit = app.audit();
    /// println!("{audit}");
    /// assert!(audit.of(AuditedAccess::Public).all(|route| !route.path.starts_with("/items")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn audit(&self) -> Audit {
        self.audit_of(self.told_by(self.document.clone()))
    }

    /// All routes, each with what `document` tells of it.
    fn told_by(&self, mut document: AuthorsDocument) -> ToldRoutes<S> {
        let mut ours = endpoint::documented(&self.oauth2, &Replaceable::left_by(&self.oauth2, &self.routes));
        let mut theirs = self.routes.clone();
        document.tell_of(&mut theirs);
        document.tell_of(&mut ours);
        ToldRoutes { ours, theirs, left: document }
    }

    fn audit_of(&self, routes: ToldRoutes<S>) -> Audit {
        let mut audit = Audit { unseen_changes: self.changes.0.len(), ..Audit::default() };
        for entry in routes.ours.into_entries() {
            audit.add(&entry, self.oauth2.scheme_name());
        }
        endpoint::audit(&self.oauth2, &mut audit);
        for entry in routes.theirs.into_entries() {
            audit.add(&entry, self.oauth2.scheme_name());
        }
        audit.add_unanswered(&routes.left);
        audit
    }

    /// The API's OpenAPI document, as JSON.
    ///
    /// # Errors
    /// Those of [`Router::finish`]: [`StartError::Undecided`], [`StartError::Unreadable`],
    /// [`StartError::LockWithoutCheck`], [`StartError::PathTaken`], [`StartError::SchemeTwice`],
    /// [`StartError::SchemaTwice`] and [`StartError::Document`].
    pub fn openapi(self) -> Result<String, StartError> {
        Ok(self.assemble()?.1)
    }

    /// The finished axum router, once every route is found to be guarded or public: for those who serve it themselves.
    ///
    /// [`serve`](crate::serve) tells the API its issuer; without it, [`Builder::issuer`](crate::Builder::issuer) should
    /// have, or the tokens name `http://localhost`.
    ///
    /// # Errors
    /// - [`StartError::Undecided`]: these routes are neither;
    /// - [`StartError::Unreadable`]: these routes were made by `axum::routing`;
    /// - [`StartError::LockWithoutCheck`]: a document of yours locks these, and no guard checks them;
    /// - [`StartError::PathTaken`]: a route of yours stands where countersign has an endpoint;
    /// - [`StartError::SchemeTwice`], [`StartError::SchemaTwice`]: two schemes, or two types, have one name in the
    ///   document;
    /// - [`StartError::Document`]: the document cannot be written.
    pub fn finish(self) -> Result<axum::Router, StartError> {
        Ok(self.assemble()?.0)
    }

    pub(crate) fn assemble(self) -> Result<(axum::Router, String), StartError> {
        let Placed { ours, theirs, told } = self.place(self.document.clone())?;
        let Self { oauth2, state, routes, changes, .. } = self;
        let Written { document, title, scopes } = told.write(&oauth2, endpoint::TOKEN_URL)?;
        let finished = Finished { oauth2, document: document.clone(), title, scopes };
        let left = Replaceable::left_by(&finished.oauth2, &routes);
        let router = endpoint::router(ours, finished, &left).merge(theirs.with_state(state));
        let router = changes.0.into_iter().fold(router, |router, change| change(router));
        Ok((router, document))
    }

    /// The routers of all routes, once every route is found to be guarded or public, and what is told of them beside
    /// what `document` tells.
    fn place(&self, document: AuthorsDocument) -> Result<Placed<S>, StartError> {
        let taken = endpoint::ours(&self.oauth2).into_iter().find(|path| self.routes.has_below(path));
        if let Some(taken) = taken {
            return Err(StartError::PathTaken(taken));
        }
        let routes = self.told_by(document);
        check(&self.audit_of(routes.clone()))?;
        let mut told = Told::new(&self.oauth2, routes.left);
        let ours = Assembly::new(&self.oauth2, &self.oauth2).finishing(endpoint::finish).place(routes.ours, &mut told);
        let theirs = Assembly::new(&self.oauth2, &self.state).place(routes.theirs, &mut told);
        Ok(Placed { ours, theirs, told })
    }

    /// What is told of all routes beside what `document` tells.
    #[cfg(feature = "utoipa")]
    pub(crate) fn told_beside(&self, document: AuthorsDocument) -> Result<Told, StartError> {
        Ok(self.place(document)?.told)
    }

    #[cfg(feature = "utoipa")]
    pub(crate) fn with_document(self, document: AuthorsDocument) -> Self {
        Self { document, ..self }
    }

    #[cfg(feature = "utoipa")]
    pub(crate) fn with_routes(self, change: impl FnOnce(Routes<S>) -> Routes<S>) -> Self {
        Self { routes: change(self.routes), ..self }
    }
}

/// The routes of an API, ours and theirs, each with what the author's document tells of it.
#[derive(Clone)]
struct ToldRoutes<S> {
    ours: Routes<OAuth2>,
    theirs: Routes<S>,
    /// What that document tells of no route.
    left: AuthorsDocument,
}

/// Their routers, and what is told of them.
struct Placed<S> {
    ours: axum::Router<OAuth2>,
    theirs: axum::Router<S>,
    told: Told,
}

/// What an audit must not find in an API that starts.
fn check(audit: &Audit) -> Result<(), StartError> {
    let mut known = HashSet::new();
    for route in &audit.routes {
        let problem = |why| StartError::Route { route: route.to_string(), why };
        if !route.path.starts_with('/') {
            return Err(problem("a path begins with a slash"));
        }
        if !known.insert(route.to_string()) {
            return Err(problem("it is there already"));
        }
    }
    let unreadable = audit.named(AuditedAccess::Unreadable);
    if !unreadable.is_empty() {
        return Err(StartError::Unreadable(unreadable));
    }
    let undecided = audit.named(AuditedAccess::Undecided);
    if !undecided.is_empty() {
        return Err(StartError::Undecided(undecided));
    }
    let promised =
        |finding: &&Finding| matches!(finding, Finding::LockWithoutCheck { .. } | Finding::ScopeWithoutCheck { .. });
    let unchecked = audit.findings.iter().filter(promised);
    let unchecked: Vec<_> = unchecked.map(ToString::to_string).collect();
    if unchecked.is_empty() { Ok(()) } else { Err(StartError::LockWithoutCheck(unchecked)) }
}
