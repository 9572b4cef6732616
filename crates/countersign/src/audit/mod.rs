//! The audit: every route, who may call it, and where that was said.

mod text;

use serde::Serialize;
use serde_json::Value;

use crate::{
    guard::requirement::{Check, Requirement},
    openapi::{Adopted, AuthorsDocument},
    routes::{Entry, EntryKind},
    routing::Access,
};

/// Every route of an API, in the order in which they were added: of [`Router::audit`](crate::Router::audit).
///
/// As text through `Display`, as JSON through `Serialize`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Audit {
    /// The routes.
    pub routes: Vec<AuditedRoute>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// How many changes [`Router::map`](crate::Router::map) makes, of which nothing is known.
    pub unseen_changes: usize,
}

/// One method of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditedRoute {
    /// The method; `*` for every one, or where only axum knows.
    pub method: String,
    /// The path; for a fallback, the prefix below which it answers, with `*` at its end.
    pub path: String,
    /// Who may call.
    pub access: AuditedAccess,
    /// What a request needs, as in the document: alternatives, each with its schemes and their scopes.
    pub security: Vec<Vec<AuditedNeed>>,
    /// The guards, in the order in which they run.
    pub guards: Vec<AuditedGuard>,
    /// Whether the document tells of it.
    pub documented: bool,
    /// What `security` tells of, in full.
    #[cfg(feature = "testing")]
    #[serde(skip)]
    pub(crate) requirement: Requirement,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditedAccess {
    /// Whom the guards let in.
    Guarded,
    /// Everybody without credentials, and whom the guards let in.
    Optional,
    /// Everybody, as the author said.
    Public,
    /// Nobody said: the API does not start.
    Undecided,
    /// A route of axum's making, of which nobody said who may call it: the API does not start.
    Unreadable,
}

/// Credentials of one scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditedNeed {
    /// The scheme's name in the document.
    pub scheme: String,
    /// The scopes that are needed of it.
    pub scopes: Vec<String>,
    /// Whether countersign checks the credentials, or the author's own code.
    pub checked_by: CheckedBy,
}

/// Who checks credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckedBy {
    /// countersign, against its keys and the clock.
    Countersign,
    /// The author's own code: countersign reads them and checks their form, as for every scheme of the author's and for
    /// [`BearerToken`](crate::BearerToken).
    You,
}

/// One guard of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditedGuard {
    /// The guard's type, or a rule's name.
    pub guard: String,
    /// Where it stands.
    pub from: Origin,
    /// The scopes that it needs.
    pub scopes: Vec<String>,
    /// The rules that it keeps.
    pub rules: Vec<String>,
}

/// Where a guard stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Before all routes of a router, which hangs at this path.
    Router(String),
    /// Before all methods of the path.
    Route,
    /// Among the handler's arguments, at this place, counted from one.
    Argument(usize),
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The document locks this route with a scheme that no guard of it checks.
    LockWithoutCheck {
        /// The route.
        route: String,
        /// The scheme.
        scheme: String,
    },
    /// The document says that this route needs a scope that no guard of it checks.
    ScopeWithoutCheck {
        /// The route.
        route: String,
        /// The scope.
        scope: String,
    },
    /// This route is guarded, and the document does not tell of it.
    CheckWithoutLock {
        /// The route.
        route: String,
    },
    /// The author's document tells of this, and no route answers it.
    DocumentedWithoutRoute {
        /// The method and the path.
        route: String,
    },
}

impl Audit {
    /// The routes of this access.
    pub fn of(&self, access: AuditedAccess) -> impl Iterator<Item = &AuditedRoute> {
        self.routes.iter().filter(move |route| route.access == access)
    }

    pub(crate) fn named(&self, access: AuditedAccess) -> Vec<String> {
        self.of(access).map(ToString::to_string).collect()
    }

    pub(crate) fn add<S>(&mut self, entry: &Entry<S>, own_scheme: &str) {
        let path = match entry.kind {
            EntryKind::Route => entry.path.clone(),
            EntryKind::Fallback => format!("{}/*", entry.path),
        };
        let before = before(entry);
        for handler in &entry.methods.handlers {
            let arguments = handler.arguments.iter().enumerate().filter(|(_, (_, requirement))| !requirement.is_none());
            let arguments = arguments.map(|(at, (name, needs))| guard(name, needs, Origin::Argument(at + 1)));
            let requirement = requirement_of(entry, &handler.arguments);
            let route = AuditedRoute {
                method: handler.method.to_owned(),
                path: path.clone(),
                access: access(&keeping_out(entry, &handler.arguments), handler.access, AuditedAccess::Undecided),
                security: security(&requirement, own_scheme),
                guards: before.iter().cloned().chain(arguments).collect(),
                documented: handler.is_told_of(),
                #[cfg(feature = "testing")]
                requirement: requirement.clone(),
            };
            if let Some(operation) = &handler.operation {
                self.compare(&route.to_string(), operation, &requirement, own_scheme);
            }
            self.compare_adopted(&handler.adopted, &requirement, own_scheme);
            self.push(route);
        }
        if let Some(unread) = &entry.methods.unread {
            let requirement = requirement_of(entry, &[]);
            self.compare_adopted(&unread.adopted, &requirement, own_scheme);
            self.push(AuditedRoute {
                method: "*".to_owned(),
                path,
                access: access(&keeping_out(entry, &[]), unread.access, AuditedAccess::Unreadable),
                security: security(&requirement, own_scheme),
                guards: before,
                documented: !unread.adopted.is_empty(),
                #[cfg(feature = "testing")]
                requirement,
            });
        }
    }

    /// Finds the locks of an operation that no guard checks.
    fn compare(&mut self, route: &str, operation: &Value, requirement: &Requirement, own_scheme: &str) {
        let locks = operation["security"].as_array().into_iter().flatten();
        for (scheme, scopes) in locks.filter_map(Value::as_object).flatten() {
            let (route, scheme) = (route.to_owned(), scheme.clone());
            if requirement.schemes().iter().all(|known| known.name(own_scheme) != scheme) {
                self.findings.push(Finding::LockWithoutCheck { route, scheme });
                continue;
            }
            let checked = requirement.scopes();
            let is_checked = |scope: &str| checked.iter().any(|declared| declared.token.as_str() == scope);
            let unchecked = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
            for scope in unchecked.filter(|scope| !is_checked(scope)) {
                let (route, scope) = (route.clone(), scope.to_owned());
                self.findings.push(Finding::ScopeWithoutCheck { route, scope });
            }
        }
    }

    fn compare_adopted(&mut self, adopted: &[Adopted], requirement: &Requirement, own_scheme: &str) {
        for adopted in adopted {
            self.compare(&adopted.to_string(), &adopted.operation, requirement, own_scheme);
        }
    }

    /// Finds what is left of the author's document once every route has taken what is told of it.
    pub(crate) fn add_unanswered(&mut self, left: &AuthorsDocument) {
        // Endpoints of countersign are answered, and tell of themselves nothing that could take it.
        let answered = |route: &String| self.routes.iter().any(|known| known.to_string() == *route);
        let unanswered = left.operations().map(ToString::to_string).filter(|route| !answered(route));
        let findings: Vec<_> = unanswered.map(|route| Finding::DocumentedWithoutRoute { route }).collect();
        self.findings.extend(findings);
    }

    pub(crate) fn push(&mut self, route: AuditedRoute) {
        if !route.documented && !route.security.is_empty() {
            self.findings.push(Finding::CheckWithoutLock { route: route.to_string() });
        }
        self.routes.push(route);
    }
}

impl AuditedRoute {
    /// A route of countersign's own that everybody may call.
    pub(crate) fn ours(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            access: AuditedAccess::Public,
            security: Vec::new(),
            guards: Vec::new(),
            documented: false,
            #[cfg(feature = "testing")]
            requirement: Requirement::none(),
        }
    }
}

/// All that keeps requests from a handler with these arguments. A guard before it that only looks at the form of
/// credentials keeps nobody out: what it reads, nobody gets to check.
fn keeping_out<S>(entry: &Entry<S>, arguments: &[(&'static str, Requirement)]) -> Requirement {
    let before = entry.guards.iter().map(|(_, guard)| guard).chain(&entry.methods.guards);
    let before = before.map(|guard| guard.requirement()).filter(Requirement::is_checked);
    let arguments = arguments.iter().map(|(_, requirement)| requirement.clone());
    before.chain(arguments).fold(Requirement::none(), Requirement::and)
}

/// All that a handler with these arguments needs, outermost first.
pub(crate) fn requirement_of<S>(entry: &Entry<S>, arguments: &[(&'static str, Requirement)]) -> Requirement {
    let routers = entry.guards.iter().map(|(_, guard)| guard.requirement());
    let route = entry.methods.guards.iter().map(|guard| guard.requirement());
    let arguments = arguments.iter().map(|(_, requirement)| requirement.clone());
    routers.chain(route).chain(arguments).fold(Requirement::none(), Requirement::and)
}

fn before<S>(entry: &Entry<S>) -> Vec<AuditedGuard> {
    let routers =
        entry.guards.iter().map(|(origin, shared)| guard(shared.name(), &shared.requirement(), origin.clone()));
    let route = entry.methods.guards.iter().map(|shared| guard(shared.name(), &shared.requirement(), Origin::Route));
    routers.chain(route).collect()
}

fn guard(name: &str, requirement: &Requirement, from: Origin) -> AuditedGuard {
    AuditedGuard {
        guard: text::short_type_name(name),
        from,
        scopes: requirement.scopes().into_iter().map(|scope| scope.token.to_string()).collect(),
        rules: requirement.rules().iter().map(|(rule, _)| rule.name.to_string()).collect(),
    }
}

fn access(requirement: &Requirement, said: Access, otherwise: AuditedAccess) -> AuditedAccess {
    match said {
        _ if requirement.is_optional() => AuditedAccess::Optional,
        _ if !requirement.is_none() => AuditedAccess::Guarded,
        Access::Public => AuditedAccess::Public,
        Access::Guarded => otherwise,
    }
}

fn security(requirement: &Requirement, own_scheme: &str) -> Vec<Vec<AuditedNeed>> {
    let mut security = Vec::new();
    for alternative in requirement.alternatives() {
        let needs = alternative.needs.iter().map(|need| AuditedNeed {
            scheme: need.scheme.name(own_scheme).to_owned(),
            scopes: need.scopes.iter().map(|scope| scope.token.to_string()).collect(),
            checked_by: if need.check == Check::Form { CheckedBy::You } else { CheckedBy::Countersign },
        });
        let needs: Vec<_> = needs.collect();
        if !security.contains(&needs) {
            security.push(needs);
        }
    }
    security
}
