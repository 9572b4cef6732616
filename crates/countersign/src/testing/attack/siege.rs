//! One route under attack: what is sent, and what the answers tell.

use axum::http::{Method, StatusCode};
use countersign_core::scope::Scope;

use super::{
    forge::Forger,
    form,
    kind::Attack,
    report::{AttackReport, Breach},
};
use crate::{
    audit::{AuditedRoute, Origin},
    guard::requirement::{Alternative, Check, Need, Shown},
    scheme::SchemeRef,
    testing::{
        ask::{Ask, Place},
        call::Answer,
        plan::{Ground, Unclear},
        problem::TestError,
    },
};

/// A request that must not be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shot {
    attack: Attack,
    how: String,
    ask: Ask,
}

impl Shot {
    pub(super) fn new(attack: Attack, how: &str, ask: Ask) -> Self {
        Self { attack, how: how.to_owned(), ask }
    }

    fn name(&self) -> String {
        if self.how.is_empty() { self.attack.to_string() } else { format!("{} ({})", self.attack, self.how) }
    }
}

/// A route under attack.
pub(super) struct Siege<'a> {
    pub(super) ground: &'a Ground,
    pub(super) forger: &'a Forger<'a>,
    pub(super) route: &'a AuditedRoute,
    pub(super) method: Method,
    /// Whether something of which nothing is known stands before every route.
    pub(super) unseen: bool,
}

/// Where the credentials of a scheme stand, if that is known.
fn place(scheme: &SchemeRef) -> Option<Place> {
    match scheme {
        SchemeRef::Own => Some(Place::bearer()),
        SchemeRef::Named(scheme) => Place::of(&scheme.document),
    }
}

impl Siege<'_> {
    fn route_name(&self) -> String {
        format!("{} {}", self.method, self.route.path)
    }

    fn unclear(&self, what: impl Into<String>) -> Unclear {
        Unclear { route: self.route_name(), what: what.into() }
    }

    /// Sends everything, and adds what came of it.
    pub(super) async fn lay(&self, report: &mut AttackReport) -> Result<(), TestError> {
        let shots = self.shots(report).await?;
        let Some(first) = shots.first() else { return Ok(()) };
        let path = self.ground.path(&self.method, &self.route.path, &first.ask).await;
        let mut answers = Vec::with_capacity(shots.len());
        for shot in shots {
            let answer = self.ground.call(&self.method, &path, &shot.ask).await;
            answers.push((shot, answer));
        }
        report.routes += 1;
        report.requests += answers.len();
        self.judge(&answers, report);
        Ok(())
    }

    /// Every request that must not be let in.
    async fn shots(&self, report: &mut AttackReport) -> Result<Vec<Shot>, TestError> {
        let mut shots: Vec<Shot> = Vec::new();
        for alternative in self.route.requirement.alternatives() {
            for need in &alternative.needs {
                let more = match (place(&need.scheme), self.others(alternative, need).await?) {
                    (None, _) => {
                        report.unclear.push(self.unclear("it is not known where its credentials stand"));
                        continue;
                    }
                    (_, None) => {
                        report.unclear.push(self.unclear("it needs two kinds of credentials in one header"));
                        continue;
                    }
                    (Some(place), Some(others)) if need.check == Check::Form => {
                        form::shots(&place, self.credentials(need, &place), &others)
                    }
                    (_, Some(others)) => self.forger.shots(need, &others).await?,
                };
                for shot in more {
                    if !shots.contains(&shot) {
                        shots.push(shot);
                    }
                }
            }
            if alternative.needs.iter().any(|need| need.check == Check::Owner) && !self.ground.has_user() {
                let what =
                    "no active user is known, so that every token may be refused for that: name one by `as_user`";
                report.unclear.push(self.unclear(what));
            }
        }
        shots.retain(|shot| !self.may_be_let_in(&shot.ask));
        Ok(shots)
    }

    fn may_be_let_in(&self, ask: &Ask) -> bool {
        self.route.requirement.may_let_in(|scheme| match place(scheme) {
            _ if scheme.is_own() => ask.shows_token(),
            Some(place) => ask.shows(&place),
            // It may be anywhere.
            None => Shown::WellFormed,
        })
    }

    fn credentials(&self, need: &Need, place: &Place) -> &str {
        match &need.scheme {
            SchemeRef::Own => place.made_up(),
            SchemeRef::Named(scheme) => self.ground.credentials(scheme.name, place),
        }
    }

    /// Good credentials for all that is needed beside `attacked`; `None` if they cannot stand beside each other.
    async fn others(&self, alternative: &Alternative, attacked: &Need) -> Result<Option<Ask>, TestError> {
        let mut ask = Ask::default();
        let mut taken = Vec::from_iter(place(&attacked.scheme));
        for need in alternative.needs.iter().filter(|need| need.scheme != attacked.scheme) {
            let Some(place) = place(&need.scheme) else { continue };
            if taken.contains(&place) {
                continue;
            }
            let is_header = |place: &Place| matches!(place, Place::Authorization(_));
            if is_header(&place) && taken.iter().any(is_header) {
                return Ok(None);
            }
            ask = match need.check {
                Check::Form => ask.at(&place, self.credentials(need, &place)),
                Check::Token | Check::Owner => {
                    let scope: Scope = need.scope();
                    let token = self.ground.good_token(&scope).await?;
                    ask.good(&token, scope)
                }
            };
            taken.push(place);
        }
        Ok(Some(ask))
    }

    /// Whether nothing stands before the guards that could answer instead of them.
    fn guards_come_first(&self) -> bool {
        let Some(first) = self.route.guards.first() else { return false };
        let is_later = matches!(first.from, Origin::Argument(place) if place > 1);
        !self.unseen && !is_later && first.rules.is_empty()
    }

    /// What is no refusal has got through, unless something before the guards may have answered: that is known to take
    /// the request where another like it reached a guard.
    fn judge(&self, answers: &[(Shot, Answer)], report: &mut AttackReport) {
        let reached = answers.iter().any(|(_, answer)| answer.is_refusal());
        let mut untold = Vec::new();
        for (shot, answer) in answers.iter().filter(|(_, answer)| !answer.is_refusal()) {
            let is_certain = self.guards_come_first() || reached && shot.ask.query.is_empty();
            let status = answer.status;
            let is_of_guards = status == StatusCode::UNAUTHORIZED || status.is_success() || status.is_redirection();
            if status == StatusCode::SERVICE_UNAVAILABLE || !is_certain && !is_of_guards {
                untold.push(format!("{}: {}", shot.name(), status.as_u16()));
            } else {
                let Shot { attack, how, .. } = shot.clone();
                report.breaches.push(Breach { route: self.route_name(), attack, how, status });
            }
        }
        if !untold.is_empty() {
            let what = "not known whether a guard was asked; where to call it may be said by `at`";
            report.unclear.push(self.unclear(format!("{what} ({})", untold.join(", "))));
        }
    }
}
