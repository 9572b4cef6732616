//! The API as a router: the author's routes, checked, beside the endpoints of countersign.

use axum::extract::{FromRef, FromRequestParts};

use crate::{
    assembly::Assembly,
    audit::{Audit, AuditedAccess, Finding},
    endpoint::{self, Finished},
    guard::{Argument, RuleFunction},
    oauth2::{HoldsOAuth2, OAuth2},
    openapi::Told,
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
        Router { oauth2: self.clone(), state, routes: Routes::new(), changes: Changes::default() }
    }
}

impl<S> Router<S>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    /// Adds a path with its handlers, made by [`routing`](crate::routing).
    ///
    /// A route of yours at `/users/me` or `/users/me/`, whatever its method, takes the place of the built-in one.
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
        let ours = endpoint::documented(&self.oauth2, |path| self.routes.has(path));
        let mut audit = Audit { unseen_changes: self.changes.0.len(), ..Audit::default() };
        for entry in ours.into_entries() {
            audit.add(&entry, self.oauth2.scheme_name());
        }
        endpoint::audit(&self.oauth2, &mut audit);
        for entry in self.routes.clone().into_entries() {
            audit.add(&entry, self.oauth2.scheme_name());
        }
        audit
    }

    /// The API's OpenAPI document, as JSON.
    ///
    /// # Errors
    /// As of [`Router::finish`].
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
    /// - [`StartError::PathTaken`], [`StartError::SchemaTwice`], [`StartError::Document`].
    pub fn finish(self) -> Result<axum::Router, StartError> {
        Ok(self.assemble()?.0)
    }

    fn assemble(self) -> Result<(axum::Router, String), StartError> {
        check(&self.audit())?;
        let Self { oauth2, state, routes, changes } = self;
        if let Some(taken) = endpoint::ours(&oauth2).into_iter().find(|path| routes.has_below(path)) {
            return Err(StartError::PathTaken(taken));
        }
        let author_has = |path: &str| routes.has(path);
        let mut told = Told::new(&oauth2);
        let ours = Assembly::new(&oauth2, &oauth2).place(endpoint::documented(&oauth2, author_has), &mut told);
        let author_has_me = author_has(endpoint::USERS_ME);
        let theirs = Assembly::new(&oauth2, &state).place(routes, &mut told);
        let (document, scopes) = told.write(&oauth2, endpoint::TOKEN_URL)?;
        let finished = Finished { oauth2, document: document.clone(), scopes };
        let router = endpoint::router(ours, finished, author_has_me).merge(theirs.with_state(state));
        let router = changes.0.into_iter().fold(router, |router, change| change(router));
        Ok((router, document))
    }
}

/// What an audit must not find in an API that starts.
fn check(audit: &Audit) -> Result<(), StartError> {
    let unreadable = audit.named(AuditedAccess::Unreadable);
    if !unreadable.is_empty() {
        return Err(StartError::Unreadable(unreadable));
    }
    let undecided = audit.named(AuditedAccess::Undecided);
    if !undecided.is_empty() {
        return Err(StartError::Undecided(undecided));
    }
    let unchecked = audit.findings.iter().filter(|finding| matches!(finding, Finding::LockWithoutCheck { .. }));
    let unchecked: Vec<_> = unchecked.map(ToString::to_string).collect();
    if unchecked.is_empty() { Ok(()) } else { Err(StartError::LockWithoutCheck(unchecked)) }
}
