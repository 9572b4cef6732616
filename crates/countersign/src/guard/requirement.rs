//! What a route needs of a request, as a value: the check's challenges, the document and the audit are made from it.

use std::borrow::Cow;

use countersign_core::scope::Scope;
use serde::de::DeserializeOwned;
#[cfg(feature = "testing")]
use serde::de::IntoDeserializer;

use super::challenge::Challenge;
use crate::{scheme::SchemeRef, scopes::Declaration};

/// What a guard, or all guards of a route together, need of a request: one of its alternatives.
///
/// [`Requirement::none`] is what an argument needs that is no guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    alternatives: Vec<Alternative>,
    /// Rules that stand on no guard.
    rules: Vec<RuleNote>,
    /// How many guards it is made of.
    guards: usize,
}

/// Credentials that are needed together, and the rules that must hold then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub(crate) needs: Vec<Need>,
    pub(crate) rules: Vec<RuleNote>,
    /// Schemes of which there are no credentials: they were looked for, and another alternative is theirs.
    without: Vec<Without>,
}

/// A scheme that an alternative is without.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Without {
    scheme: SchemeRef,
    though: Though,
}

/// Which credentials of its scheme may be there, and the alternative holds all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Though {
    /// None.
    None,
    /// Good ones, which do not allow enough.
    TooLittle,
}

/// Credentials of one scheme, with these scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) scheme: SchemeRef,
    pub(crate) scopes: Vec<Declaration>,
    pub(crate) check: Check,
    /// Whether a token must have claims of the author's.
    #[cfg(feature = "testing")]
    pub(crate) claims: Claimed,
}

/// Whether a guard needs claims of the author's.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claimed {
    /// None, or such as may be missing.
    None,
    /// Some.
    Some,
}

/// How far credentials are checked; each goes further than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    /// Their form: the rest is up to the author.
    Form,
    /// Signature, times, issuer, audience and scopes.
    Token,
    /// That too, and whether their owner is there and active.
    Owner,
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
                    known.check = known.check.max(need.check);
                    #[cfg(feature = "testing")]
                    {
                        known.claims = known.claims.max(need.claims);
                    }
                    for scope in &need.scopes {
                        if known.scopes.iter().all(|known| known.token != scope.token) {
                            known.scopes.push(scope.clone());
                        }
                    }
                }
                None => both.needs.push(need.clone()),
            }
        }
        both.without.extend(other.without.iter().filter(|without| !self.without.contains(without)).cloned());
        both.rules.extend(other.rules.iter().cloned());
        let lacks = |need: &Need| {
            let mut without = both.without.iter();
            without.any(|without| without.scheme == need.scheme && without.though == Though::None)
        };
        let possible = !both.needs.iter().any(lacks);
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
        let check = if scheme.is_own() { Check::Token } else { Check::Form };
        let needs = vec![Need {
            scheme,
            scopes,
            check,
            #[cfg(feature = "testing")]
            claims: Claimed::None,
        }];
        Self { alternatives: vec![Alternative { needs, ..Alternative::default() }], rules: Vec::new(), guards: 1 }
    }

    /// Its credentials are checked this far.
    #[must_use]
    pub(crate) fn checking(mut self, check: Check) -> Self {
        for need in self.alternatives.iter_mut().flat_map(|alternative| &mut alternative.needs) {
            need.check = check;
        }
        self
    }

    /// Its tokens must have claims of the author's, if there must be some of which to make a `C`.
    #[must_use]
    #[cfg_attr(
        not(feature = "testing"),
        expect(unused_mut, clippy::extra_unused_type_parameters, reason = "only attacks ask")
    )]
    pub(crate) fn claiming<C: DeserializeOwned>(mut self) -> Self {
        #[cfg(feature = "testing")]
        for need in self.alternatives.iter_mut().flat_map(|alternative| &mut alternative.needs) {
            let without = C::deserialize(serde_json::Map::new().into_deserializer());
            need.claims = if without.is_ok() { Claimed::None } else { Claimed::Some };
        }
        self
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
        Self { alternatives, rules, guards: self.guards + other.guards }
    }

    /// Either will do; what needs nothing is no guard, and then neither is the whole.
    ///
    /// `other` is asked where there are no credentials of `self`, or good ones that do not allow enough: bad ones are never
    /// passed over.
    #[must_use]
    pub fn or(self, mut other: Self) -> Self {
        if self.is_none() || other.is_none() {
            return Self::none();
        }
        let looked_for = self.schemes();
        for alternative in &mut other.alternatives {
            let others =
                looked_for.iter().filter(|scheme| alternative.needs.iter().all(|need| need.scheme != **scheme));
            let others = others.map(|scheme| Without { scheme: scheme.clone(), though: self.falls_short(scheme) });
            alternative.without.extend(others.collect::<Vec<_>>());
        }
        Self {
            alternatives: [self.alternatives, other.alternatives].concat(),
            rules: [self.rules, other.rules].concat(),
            guards: self.guards + other.guards,
        }
    }

    /// Whether good credentials of this scheme may not be enough: for want of a scope, a rule, or what is needed beside.
    fn falls_short(&self, scheme: &SchemeRef) -> Though {
        let mut theirs = self.alternatives.iter().filter(|one| one.needs.iter().any(|need| need.scheme == *scheme));
        let may = |one: &Alternative| {
            !one.rules.is_empty() || one.needs.len() > 1 || one.needs.iter().any(|need| !need.scopes.is_empty())
        };
        if theirs.any(may) { Though::TooLittle } else { Though::None }
    }

    /// A request without credentials will do too.
    #[must_use]
    pub fn optional(mut self) -> Self {
        if !self.is_none() {
            let without = self.schemes().into_iter().map(|scheme| Without { scheme, though: Though::None }).collect();
            self.alternatives.push(Alternative { without, ..Alternative::default() });
        }
        self
    }

    /// A rule is needed beside, which its author wrote.
    #[must_use]
    pub fn with_rule(mut self, name: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>) -> Self {
        let rule = RuleNote { name: name.into(), description: description.into() };
        if self.is_none() {
            self.rules.push(rule);
        } else {
            for alternative in &mut self.alternatives {
                alternative.rules.push(rule.clone());
            }
        }
        self
    }

    /// Whether nothing is needed, so that nobody is kept out.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// Whether anybody looks at more than the form of credentials, or at a rule.
    pub(crate) fn is_checked(&self) -> bool {
        let checked =
            |one: &Alternative| !one.rules.is_empty() || one.needs.iter().any(|need| need.check > Check::Form);
        self.alternatives.iter().any(checked)
    }

    /// Whether a request without any credentials will do.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.alternatives.iter().any(|alternative| alternative.needs.is_empty())
    }

    pub(crate) fn alternatives(&self) -> &[Alternative] {
        &self.alternatives
    }

    /// Every rule, each once, and whether it must hold in every alternative.
    pub(crate) fn rules(&self) -> Vec<(&RuleNote, bool)> {
        let mut rules: Vec<(&RuleNote, bool)> = self.rules.iter().map(|rule| (rule, true)).collect();
        for rule in self.alternatives.iter().flat_map(|alternative| &alternative.rules) {
            if rules.iter().all(|(known, _)| *known != rule) {
                rules.push((rule, self.alternatives.iter().all(|alternative| alternative.rules.contains(rule))));
            }
        }
        rules
    }

    /// How many guards it is made of: where there are several, what one finds is of use to another.
    pub(crate) const fn guards(&self) -> usize {
        self.guards
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

/// What a request has for a scheme.
#[cfg(feature = "testing")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing.
    Nothing,
    /// What cannot be read, or several.
    Unreadable,
    /// What has the form of credentials, and is none that countersign would believe.
    WellFormed,
    /// A good token with this scope.
    Good(Scope),
}

#[cfg(feature = "testing")]
impl Requirement {
    /// Whether a request may be let in that has this for each scheme, as far as it is not up to the author.
    pub(crate) fn may_let_in(&self, shown: impl Fn(&SchemeRef) -> Shown) -> bool {
        self.alternatives.iter().any(|one| Self::holds(one, &shown))
    }

    /// The same, if every rule refuses.
    pub(crate) fn may_let_in_without_rules(&self, shown: impl Fn(&SchemeRef) -> Shown) -> bool {
        let without = self.alternatives.iter().filter(|one| one.rules.is_empty() && self.rules.is_empty());
        without.into_iter().any(|one| Self::holds(one, &shown))
    }

    fn holds(one: &Alternative, shown: impl Fn(&SchemeRef) -> Shown) -> bool {
        let has = |need: &Need| match shown(&need.scheme) {
            Shown::Nothing | Shown::Unreadable => false,
            Shown::WellFormed => need.check == Check::Form,
            Shown::Good(scope) => scope.covers(&need.scope()),
        };
        let is_without = |without: &Without| match shown(&without.scheme) {
            Shown::Nothing => true,
            Shown::Unreadable => false,
            // Of a scheme of the author's, what is well-formed is good as far as we know.
            Shown::WellFormed => !without.scheme.is_own() && without.though == Though::TooLittle,
            Shown::Good(_) => without.though == Though::TooLittle,
        };
        one.needs.iter().all(has) && one.without.iter().all(is_without)
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
        assert_eq!(shown(&token(&["a"]).or(key()).and(token(&["b"]))), ["Own:a,b", "Key:+Own:b"]);
        assert_eq!(shown(&token(&[]).or(key()).and(token(&["b"]))), ["Own:b"], "a good token is taken");
        let ruled = token(&[]).with_rule("r", "R.");
        assert_eq!(shown(&ruled.or(key()).and(token(&["b"]))), ["Own:b", "Key:+Own:b"]);
        assert_eq!(shown(&token(&["a"]).or(token(&["b"]))), ["Own:a", "Own:b"]);
        assert!(token(&[]).or(Requirement::none()).is_none(), "an alternative that needs nothing locks nothing");
    }

    #[test]
    fn a_rule_belongs_to_the_alternatives_of_its_guard() {
        let names = |requirement: &Requirement| -> Vec<(String, bool)> {
            requirement.rules().iter().map(|(rule, always)| (rule.name.to_string(), *always)).collect()
        };
        let ruled = || key().with_rule("r", "R.");
        assert_eq!(names(&ruled().and(token(&[]))), [("r".to_owned(), true)]);
        assert_eq!(names(&token(&[]).or(ruled())), [("r".to_owned(), false)]);
        assert_eq!(names(&ruled().optional()), [("r".to_owned(), false)]);
        assert_eq!(names(&ruled().optional().and(key())), [("r".to_owned(), true)]);
        assert_eq!(names(&Requirement::none().with_rule("r", "R.")), [("r".to_owned(), true)]);
        assert_eq!((ruled().and(token(&[])).guards(), Requirement::none().guards()), (2, 0));
    }

    #[test]
    fn optional_adds_nothing_needed_unless_it_is_needed_elsewhere() {
        assert_eq!(shown(&token(&["a"]).optional()), ["Own:a", ""]);
        assert_eq!(shown(&token(&["a"]).optional().and(token(&["b"]))), ["Own:a,b"]);
        assert_eq!(shown(&token(&["a"]).optional().and(key())), ["Own:a+Key:", "Key:"]);
        assert_eq!(shown(&token(&[]).optional().and(token(&["m"]).optional())), ["Own:m", ""]);
        assert!(Requirement::none().optional().is_none());
    }

    #[test]
    fn what_is_checked_further_counts_where_two_guards_look_at_one_scheme() {
        let checks = |requirement: &Requirement| requirement.alternatives[0].needs[0].check;
        let unchecked = || token(&[]).checking(Check::Form);
        assert_eq!(checks(&token(&["a"])), Check::Token);
        assert_eq!(checks(&key()), Check::Form);
        assert_eq!(checks(&unchecked().and(token(&["a"]))), Check::Token);
        assert_eq!(checks(&token(&["a"]).and(unchecked())), Check::Token);
        assert_eq!(checks(&token(&["a"]).checking(Check::Owner).and(token(&["b"]))), Check::Owner);
    }

    #[cfg(feature = "testing")]
    #[test]
    fn a_bad_token_is_never_passed_over_and_a_small_one_only_for_an_alternative() {
        let lets_in = |requirement: &Requirement, own: Shown, named: Shown| {
            requirement.may_let_in(|scheme| if scheme.is_own() { own.clone() } else { named.clone() })
        };
        let (small, whole) = (|| Shown::Good(Scope::empty()), || Shown::Good("a".parse().unwrap()));
        let (nothing, bad, given) = (|| Shown::Nothing, || Shown::WellFormed, || Shown::WellFormed);
        let optional = token(&["a"]).optional();
        assert!(lets_in(&optional, nothing(), nothing()) && lets_in(&optional, whole(), nothing()));
        for own in [bad(), small(), Shown::Unreadable] {
            assert!(!lets_in(&optional, own.clone(), nothing()), "{own:?}");
            assert!(!lets_in(&token(&["a"]).and(key()), own, given()));
        }
        let either = token(&["a"]).or(key());
        assert!(lets_in(&either, small(), given()) && lets_in(&either, nothing(), given()));
        assert!(!lets_in(&either, bad(), given()) && !lets_in(&either, small(), nothing()));
        assert!(!lets_in(&either, nothing(), Shown::Unreadable) && !lets_in(&either, nothing(), nothing()));
        let both = optional.and(key());
        assert!(lets_in(&both, nothing(), given()) && !lets_in(&both, small(), given()));
        assert!(lets_in(&token(&[]).checking(Check::Form), bad(), nothing()), "nobody verifies it");
    }
}
