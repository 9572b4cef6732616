//! Every known attack on every route.

mod forge;
mod form;
mod kind;
mod public_key;
mod report;
mod siege;

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use axum::extract::FromRef;
use serde_json::Value;

use self::{
    forge::Forger,
    siege::{Forms, Siege},
};
pub use self::{
    kind::Attack,
    report::{AttackReport, Breach},
};
use super::{plan::Plan, problem::TestError};
use crate::{audit::AuditedAccess, oauth2::OAuth2, router::Router};

/// Attacks every route that is guarded or optional, by the audit, through the finished router.
///
/// Each request is a good one but for a single thing ([`Attack`] names them), and so must be refused: by 401 with a
/// challenge, by 403, or by 400 with a challenge where there are several credentials. Anything else has got through, and
/// stands in the report.
///
/// What only your own code knows, it attacks as far as you tell:
/// - of schemes whose credentials your code checks, only their form is attacked; with good ones, by [`Plan::credentials`],
///   others that are like them too;
/// - rules are attacked with good tokens of a user whom all of them refuse, by [`Plan::outsider`], and may answer with any
///   4xx.
///
/// Requests have no body but where a form has a token: alone, for routes that may have a body, and beside the header, for
/// those of which the document says that they read a form, since the second is noticed where it is read. Nothing is
/// changed in the store, nobody is asked for a password, and a route's handler runs only if its guards let a bad request
/// in.
///
/// ```
/// use axum::{extract::FromRequestParts, http::request::Parts};
/// use countersign::{
///     CurrentUser, Memory, OAuth2, Router, argument, core::error::BearerError, routing::get,
///     testing::{self, Attack},
/// };
///
/// /// A guard, it says. It lets everybody in.
/// struct Guest;
///
/// argument!(Guest: CurrentUser);
///
/// impl FromRequestParts<OAuth2> for Guest {
///     type Rejection = std::convert::Infallible;
///
///     async fn from_request_parts(_: &mut Parts, _: &OAuth2) -> Result<Self, Self::Rejection> {
///         Ok(Self)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> countersign::Result<()> {
/// let oauth2 = OAuth2::new(Memory::new()).build().await?;
/// let report = testing::attack(oauth2.router().route("/diary", get(async |_: Guest| "dear diary"))).await?;
/// println!("{report}");
/// assert!(report.breaches().iter().any(|breach| breach.route == "GET /diary" && breach.attack == Attack::Expired));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`TestError`]: the API does not start, or there is no such user.
pub fn attack<S>(app: Router<S>) -> Plan<S, AttackReport> {
    Plan::of(app)
}

impl<S> IntoFuture for Plan<S, AttackReport>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    type Output = Result<AttackReport, TestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (audit, document, ground) = self.start()?.choose().await?;
            let document: Value = serde_json::from_str(&document)?;
            let forger = Forger::new(&ground)?;
            let mut report = AttackReport::default();
            let locked = |access| matches!(access, AuditedAccess::Guarded | AuditedAccess::Optional);
            for route in audit.routes.iter().filter(|route| locked(route.access)) {
                for method in ground.methods(&route.method, &route.path).await {
                    let unseen = audit.unseen_changes > 0;
                    let forms = Forms::of(&document, &method, &route.path);
                    let siege = Siege { ground: &ground, forger: &forger, route, method, forms, unseen };
                    siege.lay(&mut report).await?;
                }
            }
            Ok(report)
        })
    }
}
