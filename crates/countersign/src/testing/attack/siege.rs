//! One route under attack: what is sent, and what the answers tell.

use axum::http::{Method, StatusCode};
use countersign_core::scope::Scope;
use serde_json::Value;

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
        call::{Answer, FORM},
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

    /// Whether this answer is a refusal of it. A rule answers as its author has it.
    fn is_refused_by(&self, answer: Answer) -> bool {
        answer.is_refusal() || self.attack == Attack::RefusedByRule && answer.status.is_client_error()
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
    pub(super) forms: Forms,
    /// Whether something of which nothing is known stands before every route.
    pub(super) unseen: bool,
}

/// What a route does with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forms {
    /// Its method gives a body no meaning (RFC 6750 §2.2).
    Meaningless,
    /// Nobody knows.
    Unknown,
    /// It reads one, by the document.
    Read,
}

impl Forms {
    pub(super) fn of(document: &Value, method: &Method, path: &str) -> Self {
        if ![Method::POST, Method::PUT, Method::PATCH].contains(method) {
            return Self::Meaningless;
        }
        let content = &document["paths"][path][method.as_str().to_lowercase()]["requestBody"]["content"];
        let mut types = content.as_object().into_iter().flat_map(|types| types.keys());
        if types.any(|name| name.starts_with(FORM)) { Self::Read } else { Self::Unknown }
    }

    /// What must be known of a route for this attack to tell anything.
    fn needed_by(attack: Attack) -> Self {
        match attack {
            Attack::FormOnly => Self::Unknown,
            // Noticed by whoever reads it.
            Attack::HeaderAndForm => Self::Read,
            _ => Self::Meaningless,
        }
    }
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
        let mut add = |more: Vec<Shot>| {
            for shot in more {
                if self.forms >= Forms::needed_by(shot.attack) && !shots.contains(&shot) {
                    shots.push(shot);
                }
            }
        };
        let alternatives = self.route.requirement.alternatives();
        for alternative in alternatives {
            for need in &alternative.needs {
                match (place(&need.scheme), self.others(alternative, need).await?) {
                    (None, _) => report.unclear.push(self.unclear("it is not known where its credentials stand")),
                    (_, None) => report.unclear.push(self.unclear("it needs two kinds of credentials in one header")),
                    (Some(place), Some(others)) => {
                        add(self.shots_at(need, &place, &others).await?);
                        add(self.outsiders(alternative, need, &others).await?);
                    }
                }
            }
            // Bad credentials for another alternative are never passed over for the good ones of this.
            let others = alternatives.iter().flat_map(|other| &other.needs);
            for need in others.filter(|need| alternative.needs.iter().all(|known| known.scheme != need.scheme)) {
                if let (Some(place), Some(others)) = (place(&need.scheme), self.others(alternative, need).await?)
                    && others != Ask::default()
                {
                    add(self.shots_at(need, &place, &others).await?);
                }
            }
            if alternative.needs.iter().any(|need| need.check == Check::Owner) && !self.ground.has_user() {
                let what =
                    "no active user is known, so that every token may be refused for that: name one by `as_user`";
                report.unclear.push(self.unclear(what));
            }
        }
        Ok(shots)
    }

    /// Requests with bad credentials where `need` has good ones, beside others.
    async fn shots_at(&self, need: &Need, place: &Place, others: &Ask) -> Result<Vec<Shot>, TestError> {
        if need.check != Check::Form {
            let mut shots = self.forger.shots(need, others).await?;
            shots.retain(|shot| !self.may_be_let_in(&shot.ask, None));
            return Ok(shots);
        }
        let mut shots = form::shots(place, &self.credentials(need, place).await?, others);
        shots.retain(|shot| !self.may_be_let_in(&shot.ask, None));
        if let Some(good) = self.ground.find_credentials(self.scheme_name(need)) {
            let mut unknown = form::unknown(place, good, others);
            unknown.retain(|shot| !self.may_be_let_in(&shot.ask, Some(&need.scheme)));
            shots.extend(unknown);
        }
        Ok(shots)
    }

    /// Good tokens of one whom every rule refuses.
    async fn outsiders(&self, alternative: &Alternative, need: &Need, others: &Ask) -> Result<Vec<Shot>, TestError> {
        let Some(outsider) = self.ground.outsider.as_deref().filter(|_| need.check > Check::Form) else {
            return Ok(Vec::new());
        };
        let Some(rule) = alternative.rules.first() else { return Ok(Vec::new()) };
        let scope = need.scope();
        let token = self.ground.good(&self.ground.signer.draft(outsider, &scope).await?).await?;
        let ask = others.clone().good(&token, scope);
        let is_let_in = self.route.requirement.may_let_in_without_rules(|scheme| Self::shown(&ask, scheme));
        Ok(if is_let_in { Vec::new() } else { vec![Shot::new(Attack::RefusedByRule, &rule.name, ask)] })
    }

    /// What a guard finds of a scheme.
    fn shown(ask: &Ask, scheme: &SchemeRef) -> Shown {
        match place(scheme) {
            _ if scheme.is_own() => ask.shows_token(),
            Some(place) => ask.shows(&place),
            // It may be anywhere.
            None => Shown::WellFormed,
        }
    }

    /// Whether the guards may let this in, if credentials of the scheme `bad` are bad though their form is good.
    fn may_be_let_in(&self, ask: &Ask, bad: Option<&SchemeRef>) -> bool {
        self.route.requirement.may_let_in(|scheme| match bad {
            Some(bad) if bad == scheme => Shown::Unreadable,
            _ => Self::shown(ask, scheme),
        })
    }

    fn scheme_name(&self, need: &Need) -> &str {
        match &need.scheme {
            SchemeRef::Own => self.ground.oauth2.scheme_name(),
            SchemeRef::Named(scheme) => scheme.name,
        }
    }

    /// Credentials whose form is good. Who reads a token of the API's own may verify it: so that one is good.
    async fn credentials(&self, need: &Need, place: &Place) -> Result<String, TestError> {
        let name = self.scheme_name(need);
        match need.scheme {
            SchemeRef::Own if self.ground.find_credentials(name).is_none() => {
                self.ground.good_token(&need.scope()).await
            }
            _ => Ok(self.ground.credentials(name, place).to_owned()),
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
                Check::Form => ask.at(&place, &self.credentials(need, &place).await?),
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
        for (shot, answer) in answers.iter().filter(|(shot, answer)| !shot.is_refused_by(*answer)) {
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
