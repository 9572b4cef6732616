//! Guards of a router or a route: they run before the handler, outermost first.

use std::{future::Future, marker::PhantomData, pin::Pin, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request},
    http::request::Parts,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};

use super::{Argument, Refusal, Requirement, route::RouteGuards, rule::RuleFunction};

type Checked<'a> = Pin<Box<dyn Future<Output = Result<(), Response>> + Send + 'a>>;

/// A guard that stands before handlers.
pub(crate) trait Before<S>: Send + Sync {
    fn requirement(&self) -> Requirement;

    /// As it is called in the audit.
    fn name(&self) -> &str;

    fn check<'a>(&'a self, parts: &'a mut Parts, state: &'a S) -> Checked<'a>;
}

/// A guard that stands before handlers, shared by all of them.
pub(crate) type Shared<S> = Arc<dyn Before<S>>;

/// A guard that is an argument elsewhere.
pub(crate) struct ByType<G>(PhantomData<fn() -> G>);

impl<G> ByType<G> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S, G> Before<S> for ByType<G>
where
    S: Send + Sync,
    G: FromRequestParts<S> + Argument<S> + Send,
{
    fn requirement(&self) -> Requirement {
        G::requirement()
    }

    fn name(&self) -> &str {
        std::any::type_name::<G>()
    }

    fn check<'a>(&'a self, parts: &'a mut Parts, state: &'a S) -> Checked<'a> {
        Box::pin(
            async move { G::from_request_parts(parts, state).await.map(drop).map_err(IntoResponse::into_response) },
        )
    }
}

/// A rule that is a function.
pub(crate) struct ByFunction<F, A> {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) function: F,
    pub(crate) arguments: PhantomData<fn() -> A>,
}

impl<S, F, A> Before<S> for ByFunction<F, A>
where
    S: Send + Sync,
    F: RuleFunction<S, A>,
    A: 'static,
{
    fn requirement(&self) -> Requirement {
        F::requirement().with_rule(self.name, self.description)
    }

    fn name(&self) -> &str {
        self.name
    }

    fn check<'a>(&'a self, parts: &'a mut Parts, state: &'a S) -> Checked<'a> {
        Box::pin(async move {
            let verdict = self.function.call(parts, state).await?;
            match verdict.denied() {
                None => Ok(()),
                Some(denied) => {
                    let rule = (self.name, self.description);
                    Err(Refusal::by_rule(parts, denied, rule, &F::requirement()).into_response())
                }
            }
        })
    }
}

/// What guards stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    /// The methods that are there; others are answered 405, as before.
    Methods,
    /// Every method.
    Everything,
}

/// Lets requests reach `methods` that pass all of `guards`.
pub(crate) fn guarded<S>(
    methods: MethodRouter<S>,
    covers: Covers,
    guards: Vec<Shared<S>>,
    route: Arc<RouteGuards>,
    state: &S,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    if guards.is_empty() {
        return methods;
    }
    let guards: Arc<[Shared<S>]> = guards.into();
    let state = state.clone();
    let before = from_fn(move |mut request: Request, next: Next| {
        let (guards, route, state) = (guards.clone(), route.clone(), state.clone());
        async move {
            let watch = route.receive(&mut request);
            let (mut parts, body) = request.into_parts();
            for guard in guards.iter() {
                guard.check(&mut parts, &state).await?;
            }
            Ok::<_, Response>(watch.end(next.run(Request::from_parts(parts, body)).await))
        }
    });
    match covers {
        Covers::Methods => methods.route_layer(before),
        Covers::Everything => methods.layer(before),
    }
}
