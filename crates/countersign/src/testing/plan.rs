//! What attacks and walks have in common: the API, and what only its author can tell of it.

use std::{collections::HashMap, fmt, marker::PhantomData};

use axum::extract::FromRef;
use countersign_core::{
    resource_owner::{OwnerStatus, ResourceOwner},
    scope::Scope,
    token::{BearerToken, verify::Profile},
};

use super::{
    ask::{Ask, Place},
    call::{Answer, call, filled, methods},
    draft::Draft,
    issuer::Issuer,
    problem::TestError,
    signer::{Signer, find_user, owners, profile, some_user},
};
use crate::{audit::Audit, oauth2::OAuth2, router::Router, start_error::StartError};

/// The subject where there is no user to try with.
const NOBODY: &str = "nobody";

/// A test of a whole API, carried out when it is awaited.
///
/// Handlers may run: give it an API over [`Memory`](crate::Memory), with nothing behind it that matters.
#[derive(Debug)]
#[must_use = "it is carried out when it is awaited"]
pub struct Plan<S, R> {
    app: Router<S>,
    user: Option<String>,
    outsider: Option<String>,
    issuer: Option<Issuer>,
    known: Known,
    report: PhantomData<fn() -> R>,
}

/// What the author tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    credentials: HashMap<String, String>,
    paths: HashMap<String, String>,
    prefix: String,
}

impl<S, R> Plan<S, R> {
    pub(super) fn of(app: Router<S>) -> Self {
        Self { app, user: None, outsider: None, issuer: None, known: Known::default(), report: PhantomData }
    }

    /// Tokens are those of the user of this name. By default of any active user of the store; a table of your own does
    /// not tell who is in it.
    pub fn as_user(mut self, username: &str) -> Self {
        self.user = Some(username.to_owned());
        self
    }

    /// Every rule of yours refuses the user of this name, whatever the scopes: an attack makes sure of it, where a rule
    /// must hold. By default rules are not attacked, since only you know whom they refuse.
    pub fn outsider(mut self, username: &str) -> Self {
        self.outsider = Some(username.to_owned());
        self
    }

    /// Tokens are those of this issuer, which the API trusts. Where it keeps no users, the name of [`Plan::as_user`] is the
    /// subject.
    pub fn signed_by(mut self, issuer: &Issuer) -> Self {
        self.issuer = Some(issuer.clone());
        self
    }

    /// Credentials of this scheme that your own code lets in, as they stand behind the scheme's name or in the API key's
    /// place: of a scheme of yours, or of the API's own where it is a [`BearerToken`](crate::BearerToken) that you check.
    /// By default they are made up. An attack takes it that there are no others like them.
    pub fn credentials(mut self, scheme: &str, credentials: &str) -> Self {
        self.known.credentials.insert(scheme.to_owned(), credentials.to_owned());
        self
    }

    /// Where to call a route whose path has parameters, `/days/{day}` at `/days/2026-01-31`. By default they are filled
    /// with a number, a UUID and a word, until one is taken.
    pub fn at(mut self, route: &str, path: &str) -> Self {
        self.known.paths.insert(route.to_owned(), path.to_owned());
        self
    }

    /// Everything is below this path: a [`Router::map`] of yours has nested it there.
    pub fn below(mut self, prefix: &str) -> Self {
        prefix.trim_end_matches('/').clone_into(&mut self.known.prefix);
        self
    }
}

impl<S, R> Plan<S, R>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    /// The API made ready, with its audit and its document.
    pub(super) fn start(self) -> Result<Started, StartError> {
        let Self { app, user, outsider, issuer, known, .. } = self;
        let (audit, oauth2) = (app.audit(), app.oauth2().clone());
        let (router, document) = app.assemble()?;
        Ok(Started { audit, document, oauth2, router, user, outsider, issuer, known })
    }
}

/// An API that has started, before anybody was chosen to call it.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) audit: Audit,
    pub(super) document: String,
    oauth2: OAuth2,
    router: axum::Router,
    user: Option<String>,
    outsider: Option<String>,
    issuer: Option<Issuer>,
    known: Known,
}

impl Started {
    /// Chooses who calls, and makes sure that the API believes tokens of theirs.
    pub(super) async fn choose(self) -> Result<(Audit, String, Ground), TestError> {
        let Self { audit, document, oauth2, router, user, outsider, issuer, known } = self;
        let signer = issuer.map(Signer::Held).or_else(|| Signer::of(&oauth2)).ok_or(TestError::IssuerNeeded)?;
        let users = if owners(&oauth2).is_some() { Users::Here } else { Users::AsTokensSay };
        let subject = match (user, users) {
            (Some(name), users) => Some(subject_of(&oauth2, users, name).await?),
            (None, Users::AsTokensSay) => Some(NOBODY.to_owned()),
            (None, Users::Here) => some_user(&oauth2, OwnerStatus::Active).await?.map(|user| user.subject.to_string()),
        };
        let outsider = match outsider {
            Some(name) => Some(subject_of(&oauth2, users, name).await?),
            None => None,
        };
        let disabled = some_user(&oauth2, OwnerStatus::Disabled).await?.map(|user| user.subject.to_string());
        let profile = profile(&oauth2);
        let ground = Ground { oauth2, router, signer, profile, users, subject, outsider, disabled, known };
        ground.good_token(&Scope::empty()).await?;
        Ok((audit, document, ground))
    }
}

/// The subject of the active user of this name.
async fn subject_of(oauth2: &OAuth2, users: Users, name: String) -> Result<String, TestError> {
    if users == Users::AsTokensSay {
        return Ok(name);
    }
    let found = find_user(oauth2, &name).await?.filter(ResourceOwner::is_active);
    Ok(found.ok_or(TestError::NoSuchUser(name))?.subject.to_string())
}

/// Where the API looks for the users of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Users {
    /// In a table: of its store, or of its author's.
    Here,
    /// Nowhere: whoever a good token names is a user.
    AsTokensSay,
}

/// An API, and who calls it.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) oauth2: OAuth2,
    router: axum::Router,
    pub(super) signer: Signer,
    /// How the API reads tokens.
    pub(super) profile: Profile,
    pub(super) users: Users,
    /// An active user, if one is known.
    subject: Option<String>,
    /// An active user whom every rule of the author's refuses, if one is known.
    pub(super) outsider: Option<String>,
    /// A user who may not log in, if one is known.
    pub(super) disabled: Option<String>,
    known: Known,
}

impl Ground {
    pub(super) fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or(NOBODY)
    }

    /// Whether there is a user, whom a guard that looks them up lets in.
    pub(super) const fn has_user(&self) -> bool {
        self.subject.is_some()
    }

    /// A token that the API believes.
    pub(super) async fn good_token(&self, scope: &Scope) -> Result<String, TestError> {
        self.good(&self.signer.draft(self.subject(), scope).await?).await
    }

    /// Signs a draft of a good token, and shows it to the API: what remembers tokens has seen it then, and may not take
    /// a bad one for it.
    pub(super) async fn good(&self, draft: &Draft) -> Result<String, TestError> {
        let token = self.signer.sign(draft)?;
        let believed = self.oauth2.verify(&BearerToken::new(token.as_str())).await;
        believed.map_err(|error| TestError::GoodTokenRefused(error.reason()))?;
        Ok(token)
    }

    /// What is sent for a scheme of the author's.
    pub(super) fn credentials<'a>(&'a self, scheme: &str, place: &Place) -> &'a str {
        self.find_credentials(scheme).unwrap_or(place.made_up())
    }

    /// The credentials of this scheme that the author gave.
    pub(super) fn find_credentials(&self, scheme: &str) -> Option<&str> {
        self.known.credentials.get(scheme).map(String::as_str)
    }

    pub(super) async fn call(&self, method: &axum::http::Method, path: &str, ask: &Ask) -> Answer {
        call(&self.router, method, &self.whole(path), ask).await
    }

    /// The methods by which to call a route that has this one by the audit.
    pub(super) async fn methods(&self, method: &str, route: &str) -> Vec<axum::http::Method> {
        let path = self.known.paths.get(route).cloned().or_else(|| filled(route).into_iter().next());
        methods(&self.router, method, &self.whole(&path.unwrap_or_default())).await
    }

    fn whole(&self, path: &str) -> String {
        format!("{}{path}", self.known.prefix)
    }

    /// Where to call a route: the first path of those that are tried at which the guards are reached, as far as `probe`
    /// tells.
    pub(super) async fn path(&self, method: &axum::http::Method, route: &str, probe: &Ask) -> String {
        if let Some(path) = self.known.paths.get(route) {
            return path.clone();
        }
        let tried = filled(route);
        if let [only] = &tried[..] {
            return only.clone();
        }
        for path in &tried {
            if !self.call(method, path, probe).await.may_be_about_the_path() {
                return path.clone();
            }
        }
        tried.into_iter().next().unwrap_or_default()
    }
}

/// A route of which nothing can be said, or not all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unclear {
    /// The route: its method and path.
    pub route: String,
    /// What cannot be told, and what helps.
    pub what: String,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route, self.what)
    }
}
