//! What a route needs of a request, as a value: the check's challenges, the document and the audit are made from it.

use std::borrow::Cow;

use countersign_core::scope::Scope;

use super::challenge::Challenge;
use crate::{scheme::SchemeRef, scopes::Declaration};

/// What a guard, or all guards of a route together, need of a request: one of its alternatives, and every rule.
///
/// [`Requirement::none`] is what an argument needs that is no guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    alternatives: Vec<Alternative>,
    rules: Vec<RuleNote>,
}

/// Credentials that are needed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub(crate) needs: Vec<Need>,
    /// Schemes of which there are no credentials: they were looked for, and another alternative is theirs.
    without: Vec<SchemeRef>,
}

/// Credentials of one scheme, with these scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) scheme: SchemeRef,
    pub(crate) scopes: Vec<Declaration>,
}

/// What is said of a rule beyond scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleNote {
    pub(crate) name: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
}

impl Need {
    pub(crate) fn scope(&self) -> Scope {
        self.scopes.iter().map(|declared| declared.token.clone()).collect()
    }
}

impl Alternative {
    /// Both at once, unless one needs what the other is without.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for need in &other.needs {
            match both.needs.iter_mut().find(|known| known.scheme == need.scheme) {
                Some(known) => {
                    for scope in &need.scopes {
                        if known.scopes.iter().all(|known| known.token != scope.token) {
                            known.scopes.push(scope.clone());
                        }
                    }
                }
                None => both.needs.push(need.clone()),
            }
        }
        both.without.extend(other.without.iter().filter(|scheme| !self.without.contains(scheme)).cloned());
        let possible = both.needs.iter().all(|need| !both.without.contains(&need.scheme));
        possible.then_some(both)
    }

    pub(crate) fn challenges(&self, own: &Challenge) -> Vec<(SchemeRef, Challenge, Scope)> {
        let one = |need: &Need| (need.scheme.clone(), need.scheme.challenge(own), need.scope());
        self.needs.iter().map(one).collect()
    }
}

impl Requirement {
    /// Nothing: what an argument needs that is no guard.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    pub(crate) fn of(scheme: SchemeRef, scopes: Vec<Declaration>) -> Self {
        let needs = vec![Need { scheme, scopes }];
        Self { alternatives: vec![Alternative { needs, without: Vec::new() }], rules: Vec::new() }
    }

    /// Both are needed together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let alternatives = match (self.alternatives.as_slice(), other.alternatives.as_slice()) {
            (_, []) => self.alternatives,
            ([], _) => other.alternatives,
            (ours, theirs) => ours.iter().flat_map(|one| theirs.iter().filter_map(|two| one.and(two))).collect(),
        };
        let rules = [self.rules, other.rules].concat();
        Self { alternatives, rules }
    }

    /// Either will do; what needs nothing is no guard, and then neither is the whole.
    ///
    /// `other` holds where there are no credentials of `self`: those that are there are never passed over.
    #[must_use]
    pub fn or(self, mut other: Self) -> Self {
        if self.is_none() || other.is_none() {
            return Self::none();
        }
        let looked_for = self.schemes();
        for alternative in &mut other.alternatives {
            let others =
                looked_for.iter().filter(|scheme| alternative.needs.iter().all(|need| need.scheme != **scheme));
            alternative.without.extend(others.cloned().collect::<Vec<_>>());
        }
        Self {
            alternatives: [self.alternatives, other.alternatives].concat(),
            rules: [self.rules, other.rules].concat(),
        }
    }

    /// A request without credentials will do too.
    #[must_use]
    pub fn optional(mut self) -> Self {
        if !self.is_none() {
            self.alternatives.push(Alternative { needs: Vec::new(), without: self.schemes() });
        }
        self
    }

    /// A rule is needed beside, which its author wrote.
    #[must_use]
    pub fn with_rule(mut self, name: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>) -> Self {
        self.rules.push(RuleNote { name: name.into(), description: description.into() });
        self
    }

    /// Whether nothing is needed, so that nobody is kept out.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// Whether a request without any credentials will do.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.alternatives.iter().any(|alternative| alternative.needs.is_empty())
    }

    pub(crate) fn alternatives(&self) -> &[Alternative] {
        &self.alternatives
    }

    pub(crate) fn rules(&self) -> &[RuleNote] {
        &self.rules
    }

    /// Every scheme that is looked at, each once.
    pub(crate) fn schemes(&self) -> Vec<SchemeRef> {
        let mut schemes: Vec<SchemeRef> = Vec::new();
        for need in self.alternatives.iter().flat_map(|alternative| &alternative.needs) {
            if !schemes.contains(&need.scheme) {
                schemes.push(need.scheme.clone());
            }
        }
        schemes
    }

    /// Every scope that is named, each once, in the order in which they were met.
    pub(crate) fn scopes(&self) -> Vec<&Declaration> {
        let mut scopes: Vec<&Declaration> = Vec::new();
        let needs = self.alternatives.iter().flat_map(|alternative| &alternative.needs);
        for scope in needs.flat_map(|need| &need.scopes) {
            if scopes.iter().all(|known| known.token != scope.token) {
                scopes.push(scope);
            }
        }
        scopes
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::scope::ScopeToken;

    use super::*;
    use crate::scheme::{ApiKey, SecurityScheme};

    struct Key;

    impl SecurityScheme for Key {
        type Kind = ApiKey;
        const NAME: &'static str = "Key";
        const DESCRIPTION: &'static str = "";
        const KIND: ApiKey = ApiKey::header("X-Key");
    }

    fn token(scopes: &[&str]) -> Requirement {
        let declared = |scope: &&str| Declaration { token: ScopeToken::parse(scope).unwrap(), description: "".into() };
        Requirement::of(SchemeRef::Own, scopes.iter().map(declared).collect())
    }

    fn key() -> Requirement {
        Requirement::of(SchemeRef::of::<Key>(), Vec::new())
    }

    /// Each alternative as `scheme:scope,scope+scheme`.
    fn shown(requirement: &Requirement) -> Vec<String> {
        let need = |need: &Need| format!("{}:{}", need.scheme.name("Own"), need.scope().to_string().replace(' ', ","));
        let one = |alternative: &Alternative| alternative.needs.iter().map(need).collect::<Vec<_>>().join("+");
        requirement.alternatives.iter().map(one).collect()
    }

    #[test]
    fn needed_together_is_one_object_and_scopes_stand_in_their_order() {
        assert_eq!(shown(&token(&["b"]).and(token(&["a", "b"]))), ["Own:b,a"]);
        assert_eq!(shown(&token(&["a"]).and(key())), ["Own:a+Key:"]);
        assert_eq!(shown(&Requirement::none().and(key()).and(Requirement::none())), ["Key:"]);
    }

    #[test]
    fn alternatives_are_several_objects() {
        assert_eq!(shown(&token(&["a"]).or(key())), ["Own:a", "Key:"]);
        assert_eq!(shown(&token(&["a"]).or(key()).and(token(&["b"]))), ["Own:a,b"]);
        assert_eq!(shown(&token(&["a"]).or(token(&["b"]))), ["Own:a", "Own:b"]);
        assert!(token(&[]).or(Requirement::none()).is_none(), "an alternative that needs nothing locks nothing");
    }

    #[test]
    fn optional_adds_nothing_needed_unless_it_is_needed_elsewhere() {
        assert_eq!(shown(&token(&["a"]).optional()), ["Own:a", ""]);
        assert_eq!(shown(&token(&["a"]).optional().and(token(&["b"]))), ["Own:a,b"]);
        assert_eq!(shown(&token(&["a"]).optional().and(key())), ["Own:a+Key:", "Key:"]);
        assert_eq!(shown(&token(&[]).optional().and(token(&["m"]).optional())), ["Own:m", ""]);
        assert!(Requirement::none().optional().is_none());
    }
}
