//! What a whole route needs, known to its guards while they run: so that one refusal tells all of it.

use std::sync::Arc;

use axum::{extract::Request, handler::Handler, http::request::Parts};
use countersign_core::{clock::Rng, scope::Scope};

use super::{challenge::Challenge, requirement::Requirement};
use crate::{oauth2::OAuth2, scheme::SchemeRef};

/// What all guards of a route need together.
#[derive(Debug)]
pub(crate) struct RouteGuards {
    oauth2: OAuth2,
    challenges: Vec<(SchemeRef, Challenge, Scope)>,
    guards: Guards,
}

/// Whether what one guard found is of use to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guards {
    One,
    Several,
}

impl RouteGuards {
    pub(crate) fn new(oauth2: &OAuth2, requirement: &Requirement) -> Arc<Self> {
        let guards = if requirement.guards() > 1 { Guards::Several } else { Guards::One };
        let own = oauth2.challenge();
        let mut challenges = Vec::new();
        for challenge in requirement.alternatives().iter().flat_map(|alternative| alternative.challenges(&own)) {
            if !challenges.contains(&challenge) {
                challenges.push(challenge);
            }
        }
        Arc::new(Self { oauth2: oauth2.clone(), challenges, guards })
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

impl<H: Handler<T, S>, T, S> Handler<T, S> for OnRoute<H> {
    type Future = H::Future;

    fn call(self, mut request: Request, state: S) -> Self::Future {
        request.extensions_mut().insert(self.route);
        self.handler.call(request, state)
    }
}
