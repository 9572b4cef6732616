//! The API as a router: the author's routes, checked, beside the endpoints of countersign.

use axum::extract::FromRef;

use crate::{
    endpoint::{self, Finished},
    oauth2::OAuth2,
    openapi,
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
        AppState: Clone + Send + Sync + 'static,
        Self: FromRef<AppState>,
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
        let Self { oauth2, state, routes, changes } = self;
        let author_has = |path: &str| routes.paths.iter().any(|known| known.trim_end_matches('/') == path);
        let author_is_below = |path: &str| {
            let below =
                |known: &String| known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            routes.paths.iter().any(below)
        };
        if let Some(taken) = endpoint::OURS.into_iter().find(|path| author_is_below(path)) {
            return Err(StartError::PathTaken(taken));
        }
        let ours = endpoint::documented(author_has);
        let mut schemas = ours.schemas;
        schemas.append(routes.schemas);
        if let Some(name) = schemas.twice {
            return Err(StartError::SchemaTwice(name));
        }
        let (ours, theirs) = (openapi::read(ours.api), openapi::read(routes.api));
        let mut paths = ours.paths;
        paths.extend(theirs.paths);
        if !routes.unreadable.is_empty() {
            return Err(StartError::Unreadable(routes.unreadable));
        }
        let undecided = openapi::take_undecided(&mut paths);
        if !undecided.is_empty() {
            return Err(StartError::Undecided(undecided));
        }
        openapi::name_operations(&mut paths);
        let scopes = openapi::take_scopes(&mut paths, oauth2.declared_scopes());
        let document = openapi::write(&oauth2, endpoint::TOKEN_URL, &paths, &scopes, &schemas.by_name)?;
        let finished = Finished { oauth2, document: document.clone(), scopes };
        let router = endpoint::router(ours.router, finished, author_has).merge(theirs.router.with_state(state));
        let router = changes.0.into_iter().fold(router, |router, change| change(router));
        Ok((router, document))
    }
}
