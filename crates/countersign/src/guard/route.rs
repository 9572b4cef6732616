//! What a whole route needs, known to its guards while they run: so that one refusal tells all of it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    extract::Request,
    handler::Handler,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use countersign_core::{clock::Rng, scope::Scope};

use super::{
    Refusal,
    challenge::Challenge,
    form_token::{self, FormToken},
    requirement::Requirement,
};
use crate::{oauth2::OAuth2, scheme::SchemeRef};

/// What all guards of a route need together.
#[derive(Debug)]
pub(crate) struct RouteGuards {
    oauth2: OAuth2,
    challenges: Vec<(SchemeRef, Challenge, Scope)>,
    /// The first of the schemes whose credentials are bearer tokens, if there is one.
    bearer: Option<(SchemeRef, Challenge)>,
    guards: Guards,
    finish: Option<Finish>,
}

/// What becomes of the answers of a route: done here it costs no layer, of which each costs every request.
pub(crate) type Finish = fn(&OAuth2, Response) -> Response;

/// Whether what one guard found is of use to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guards {
    One,
    Several,
}

impl RouteGuards {
    pub(crate) fn new(oauth2: &OAuth2, requirement: &Requirement, finish: Option<Finish>) -> Arc<Self> {
        let guards = if requirement.guards() > 1 { Guards::Several } else { Guards::One };
        let own = oauth2.challenge();
        let mut challenges = Vec::new();
        for challenge in requirement.alternatives().iter().flat_map(|alternative| alternative.challenges(&own)) {
            if !challenges.contains(&challenge) {
                challenges.push(challenge);
            }
        }
        let bearer = challenges.iter().find(|(_, challenge, _)| challenge.is_bearer());
        let bearer = bearer.map(|(scheme, challenge, _)| (scheme.clone(), challenge.clone()));
        Arc::new(Self { oauth2: oauth2.clone(), challenges, bearer, guards, finish })
    }

    /// Tells the guards before which `request` comes of their route. Where they read bearer tokens, and a form may have a
    /// second one, its body is watched from here on.
    pub(super) fn receive(self: Arc<Self>, request: &mut Request) -> Watch {
        if self.bearer.is_none() || !form_token::could_be_second(request) {
            request.extensions_mut().insert(self);
            return Watch(None);
        }
        let before = request.extensions_mut().insert(self.clone());
        // The guards of routers come first, and have put a watch on it.
        let is_watched = before.is_some_and(|route| Arc::ptr_eq(&route, &self));
        Watch((!is_watched).then(|| (FormToken::watch(request), self)))
    }

    pub(super) fn challenges(&self) -> Vec<(SchemeRef, Challenge, Scope)> {
        self.challenges.clone()
    }

    /// Whether the client hears why it was refused.
    pub(super) fn tells_reasons(&self) -> bool {
        self.oauth2.is_in_developer_mode()
    }

    pub(super) fn rng(&self) -> &dyn Rng {
        self.oauth2.rng()
    }
}

/// Whether other guards of this request's route may have use for what one finds.
pub(crate) fn has_several_guards(parts: &Parts) -> bool {
    parts.extensions.get::<Arc<RouteGuards>>().is_some_and(|route| route.guards == Guards::Several)
}

/// A handler whose guards know what its whole route needs.
#[derive(Clone)]
pub(crate) struct OnRoute<H> {
    pub(crate) handler: H,
    pub(crate) route: Arc<RouteGuards>,
}

impl<H, T, S> Handler<T, S> for OnRoute<H>
where
    H: Handler<T, S, Future: Unpin>,
{
    type Future = Watched<H::Future>;

    fn call(self, mut request: Request, state: S) -> Self::Future {
        let finish = self.route.finish.map(|finish| (finish, self.route.oauth2.clone()));
        let watch = self.route.receive(&mut request);
        Watched { answer: self.handler.call(request, state), watch, finish }
    }
}

/// The watch on the form of a request, if there is one.
#[derive(Clone, Debug)]
pub(super) struct Watch(Option<(FormToken, Arc<RouteGuards>)>);

impl Watch {
    /// What is answered where `answer` is the handler's: a refusal, if there was a second token in what was read.
    pub(super) fn end(self, answer: Response) -> Response {
        let Some((_, route)) = self.0.filter(|(token, _)| token.is_found()) else { return answer };
        let Some((scheme, challenge)) = route.bearer.clone() else { return answer };
        Refusal::by_route(route, form_token::REFUSED, scheme, challenge).into_response()
    }
}

/// The answer of a handler whose form may be watched.
pub(crate) struct Watched<F> {
    answer: F,
    watch: Watch,
    finish: Option<(Finish, OAuth2)>,
}

impl<F> Future for Watched<F>
where
    F: Future<Output = Response> + Unpin,
{
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        let answer = std::mem::replace(&mut self.watch, Watch(None)).end(answer);
        Poll::Ready(match &self.finish {
            Some((finish, oauth2)) => finish(oauth2, answer),
            None => answer,
        })
    }
}
