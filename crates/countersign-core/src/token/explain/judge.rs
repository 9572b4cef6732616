//! Looks at a token piece by piece, in the steps that the verifier takes, and goes on where the verifier stops.

use std::time::Duration;

use base64::Engine;
use serde_json::{Map, Value};

use super::{
    Against, Explanation, Finding, Verdict,
    show::{apart, list, shown},
};
use crate::{
    clock::Timestamp,
    jose::{Algorithm, BASE64URL, MAX_TOKEN_BYTES, VerifyingKey, json::parse_object, media_type},
    names::KeyId,
    reason::Reason,
    token::{format::jwt, verify::Profile},
};

/// Dates after this are no seconds: it is the year 5138, and 1973 in milliseconds.
const SURELY_MILLISECONDS: i64 = 100_000_000_000;

/// An expiry so short ago is as likely a matter of clocks as of time.
const MAX_SKEW_SECONDS: i64 = 60;

/// The steps of the verifier, in its order: the first that fails is why it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Length,
    Header,
    CriticalExtension,
    Type,
    AlgorithmName,
    Key,
    Algorithm,
    SignatureText,
    Signature,
    Payload,
    Kind,
    Bound,
    Claims,
    Issuer,
    Audience,
    Expiry,
    Start,
    Scope,
}

/// What is thought of a finding.
#[derive(Clone, Copy)]
enum Opinion {
    Holds,
    Unknown,
    Fails(Step, Reason),
}

impl Opinion {
    /// `None` is what nobody can say.
    fn of(holds: Option<bool>, step: Step, reason: Reason) -> Self {
        match holds {
            Some(true) => Self::Holds,
            Some(false) => Self::Fails(step, reason),
            None => Self::Unknown,
        }
    }
}

const NOT_GIVEN: &str = "not given";
const ABSENT: &str = "absent";

pub(super) struct Judge<'a> {
    against: &'a Against<'a>,
    leeway: Duration,
    now: Timestamp,
    findings: Vec<Finding>,
    refusal: Option<(Step, Reason)>,
}

impl<'a> Judge<'a> {
    pub(super) const fn new(against: &'a Against<'a>, leeway: Duration, now: Timestamp) -> Self {
        Self { against, leeway, now, findings: Vec::new(), refusal: None }
    }

    pub(super) fn judge(mut self, token: &str) -> Explanation {
        self.look_at_all(token);
        Explanation { findings: self.findings, reason: self.refusal.map(|(_, reason)| reason) }
    }

    fn look_at_all(&mut self, token: &str) {
        let fits = token.len() <= MAX_TOKEN_BYTES;
        let opinion = Opinion::of(Some(fits), Step::Length, Reason::TooLong);
        self.find("length", format!("at most {MAX_TOKEN_BYTES} bytes"), format!("{} bytes", token.len()), opinion);
        if fits && let Some((input, header, payload, signature)) = self.segments(token) {
            let key = self.header(header);
            self.signature(key, input, signature);
            self.payload(payload);
        }
    }

    fn find(&mut self, what: &'static str, expected: impl Into<String>, found: impl Into<String>, opinion: Opinion) {
        let advice = match opinion {
            Opinion::Fails(_, reason) => Some(reason.advice().to_owned()),
            Opinion::Holds | Opinion::Unknown => None,
        };
        let verdict = match opinion {
            Opinion::Holds => Verdict::Holds,
            Opinion::Unknown => Verdict::Unknown,
            Opinion::Fails(..) => Verdict::Fails,
        };
        if let Opinion::Fails(step, reason) = opinion
            && self.refusal.is_none_or(|(first, _)| step < first)
        {
            self.refusal = Some((step, reason));
        }
        self.findings.push(Finding { what, expected: expected.into(), found: found.into(), verdict, advice });
    }

    /// Replaces the advice of the finding before, for what is known better than the reason knows it.
    fn advise(&mut self, advice: impl Into<String>) {
        if let Some(finding) = self.findings.last_mut() {
            finding.advice = Some(advice.into());
        }
    }

    /// Input of the signature, header, payload, signature: taken apart as the verifier does.
    fn segments<'t>(&mut self, token: &'t str) -> Option<(&'t str, &'t str, &'t str, &'t str)> {
        let count = token.split('.').count();
        let opinion = match count {
            3 => Opinion::Holds,
            0..3 => Opinion::Fails(Step::Header, Reason::Malformed),
            _ => Opinion::Fails(Step::Payload, Reason::Malformed),
        };
        self.find("segments", "3, separated by full stops", count.to_string(), opinion);
        if count == 1 {
            self.advise("This is no JWT: an opaque token must be introspected at its issuer (RFC 7662).");
        } else if count == 5 {
            self.advise("This is an encrypted token (JWE), which only its issuer's own API can read.");
        }
        let (input, signature) = token.rsplit_once('.')?;
        let (header, payload) = input.split_once('.')?;
        Some((input, header, payload, signature))
    }

    /// The key of the token, if it is known and of the token's algorithm.
    fn header(&mut self, segment: &str) -> Option<&'a VerifyingKey> {
        let Some(header) = decode(segment) else {
            self.find("header", "a JSON object", "cannot be read", Opinion::Fails(Step::Header, Reason::Malformed));
            return None;
        };
        self.find("header", "a JSON object", "a JSON object", Opinion::Holds);
        let critical = header.get("crit");
        let opinion = Opinion::of(Some(critical.is_none()), Step::CriticalExtension, Reason::CriticalExtension);
        self.find("crit", ABSENT, or_absent(critical), opinion);
        self.typ(header.get("typ"));
        self.key(header.get("alg"), header.get("kid"))
    }

    fn typ(&mut self, typ: Option<&Value>) {
        let text = typ.map(|typ| typ.as_str().map(media_type));
        let accepted = self.by_profile(|profile| match &text {
            None => jwt::accepts_type(profile, None),
            Some(text) => text.as_ref().is_some_and(|typ| jwt::accepts_type(profile, Some(typ))),
        });
        let expected = match self.against.profile {
            Some(Profile::Rfc9068) => "at+jwt",
            Some(Profile::Plain) => "at+jwt, JWT or absent",
            None => "at+jwt; without a profile also JWT or absent",
        };
        self.find("typ", expected, or_absent(typ), Opinion::of(accepted, Step::Type, Reason::OtherType));
    }

    fn key(&mut self, alg: Option<&Value>, kid: Option<&Value>) -> Option<&'a VerifyingKey> {
        let (name, id) = (alg.and_then(Value::as_str), kid.and_then(Value::as_str).map(KeyId::new));
        let readable = kid.is_none() || id.is_some();
        let keys = self.against.keys;
        let key = keys.filter(|_| readable).and_then(|keys| keys.find(id.as_ref(), name.unwrap_or_default(), self.now));

        let known_name = name.is_some_and(|name| Algorithm::find_by_name(name).is_some());
        let (expected, opinion) = match (key, name) {
            (_, None) => (Algorithm::names(), Opinion::Fails(Step::AlgorithmName, Reason::Malformed)),
            (Some(key), Some(name)) => {
                let fits = key.algorithm().goes_by(name);
                (key.algorithm().to_string(), Opinion::of(Some(fits), Step::Algorithm, Reason::OtherAlgorithm))
            }
            (None, Some(_)) if known_name => (Algorithm::names(), Opinion::Unknown),
            (None, Some(_)) => (Algorithm::names(), Opinion::Fails(Step::Algorithm, Reason::OtherAlgorithm)),
        };
        self.find("alg", expected, or_absent(alg), opinion);

        let expected = keys.map_or_else(
            || NOT_GIVEN.to_owned(),
            |keys| list(keys.known(self.now).into_iter().map(|(id, alg)| format!("{} ({alg})", shown(id.as_str())))),
        );
        let opinion = match (keys, name) {
            _ if !readable => Opinion::Fails(Step::Key, Reason::UnknownKey),
            (Some(_), Some(_)) => Opinion::of(Some(key.is_some()), Step::Key, Reason::UnknownKey),
            (None, _) | (_, None) => Opinion::Unknown,
        };
        self.find("kid", expected, or_absent(kid), opinion);
        key.filter(|key| name.is_some_and(|name| key.algorithm().goes_by(name)))
    }

    fn signature(&mut self, key: Option<&VerifyingKey>, input: &str, segment: &str) {
        let signature = BASE64URL.decode(segment).ok();
        let found = signature.as_ref().map_or_else(|| "cannot be read".to_owned(), |it| format!("{} bytes", it.len()));
        let opinion = match (&signature, key) {
            (None, _) => Opinion::Fails(Step::SignatureText, Reason::Malformed),
            (Some(it), Some(key)) => {
                Opinion::of(Some(key.holds(input.as_bytes(), it)), Step::Signature, Reason::BadSignature)
            }
            (Some(_), None) => Opinion::Unknown,
        };
        let by = |key: &VerifyingKey| format!("by the key {}", shown(key.id().as_str()));
        let expected = key.map_or_else(|| "no key to hold it against".to_owned(), by);
        self.find("signature", expected, found, opinion);
    }

    fn payload(&mut self, segment: &str) {
        let Some(claims) = decode(segment) else {
            self.find("payload", "a JSON object", "cannot be read", Opinion::Fails(Step::Payload, Reason::Malformed));
            return;
        };
        self.find("payload", "a JSON object", "a JSON object", Opinion::Holds);
        self.kind(&claims);
        self.binding(claims.get(jwt::CONFIRMATION));
        self.claims(&claims);
        self.names(&claims);
        self.expiry(claims.get("exp"));
        self.start("nbf", claims.get("nbf"));
        self.start("iat", claims.get("iat"));
        self.scope(&claims);
    }

    fn kind(&mut self, claims: &Map<String, Value>) {
        let mark = jwt::find_other_mark(claims);
        let fits = self.by_profile(|profile| profile == Profile::Rfc9068 || mark.is_none());
        let found = mark.map_or_else(|| "no mark of an ID token".to_owned(), |mark| format!("another kind's `{mark}`"));
        self.find("kind", "an access token", found, Opinion::of(fits, Step::Kind, Reason::OtherType));
    }

    fn binding(&mut self, key: Option<&Value>) {
        let opinion = Opinion::of(Some(key.is_none()), Step::Bound, Reason::Bound);
        self.find(jwt::CONFIRMATION, ABSENT, or_absent(key), opinion);
    }

    fn claims(&mut self, claims: &Map<String, Value>) {
        let read = |profile| jwt::read(claims.clone(), profile).map(drop);
        let fits = self.by_profile(|profile| read(profile).is_ok());
        let flaw = read(self.against.profile.unwrap_or_default()).err();
        let found = flaw.map_or_else(
            || format!("all there, and {} more", claims.len().saturating_sub(jwt::count_interpreted(claims))),
            |jwt::MalformedClaim(name)| match claims.get(name) {
                None => format!("`{name}` is missing"),
                Some(_) => format!("`{name}` is not of its type"),
            },
        );
        let opinion = Opinion::of(fits, Step::Claims, Reason::MalformedClaims);
        self.find("claims", "what is needed, each of its type", found, opinion);
    }

    fn names(&mut self, claims: &Map<String, Value>) {
        let said = claims.get("iss");
        let fits = self.against.issuer.map(|issuer| said.and_then(Value::as_str) == Some(issuer.as_str()));
        let expected = self.against.issuer.map_or_else(|| NOT_GIVEN.to_owned(), |issuer| shown(issuer.as_str()));
        self.find("iss", expected, or_absent(said), Opinion::of(fits, Step::Issuer, Reason::OtherIssuer));
        let said = claims.get("aud");
        let fits = self
            .against
            .audience
            .map(|ours| said.and_then(jwt::audience).is_some_and(|audience| audience.contains(ours)));
        let expected = self.against.audience.map_or_else(|| NOT_GIVEN.to_owned(), |ours| shown(ours.as_str()));
        self.find("aud", expected, or_absent(said), Opinion::of(fits, Step::Audience, Reason::OtherAudience));
    }

    fn expiry(&mut self, value: Option<&Value>) {
        let expected = format!("after now, {}{}", self.now.seconds(), self.with_leeway());
        let Some(expires) = value.and_then(jwt::numeric_date) else {
            let opinion = Opinion::Fails(Step::Claims, Reason::MalformedClaims);
            return self.find("exp", expected, or_absent(value), opinion);
        };
        let fits = expires.plus(self.leeway) > self.now;
        let found = format!("{}, {}", expires.seconds(), apart(expires, self.now));
        self.find("exp", expected, found, Opinion::of(Some(fits), Step::Expiry, Reason::Expired));
        let late = self.now.seconds().saturating_sub(expires.seconds());
        if expires.seconds() > SURELY_MILLISECONDS {
            self.advise("This looks like milliseconds; RFC 7519 counts seconds.");
        } else if !fits && late <= MAX_SKEW_SECONDS {
            self.advise(format!("It expired {late} s ago: get a new one, or compare the clocks of both machines."));
        }
    }

    fn start(&mut self, what: &'static str, value: Option<&Value>) {
        let expected = format!("not after now, {}{}", self.now.seconds(), self.with_leeway());
        let from = match value {
            None if what == "nbf" => return self.find(what, expected, ABSENT, Opinion::Holds),
            None => None,
            Some(value) => jwt::numeric_date(value),
        };
        let Some(from) = from else {
            let opinion = Opinion::Fails(Step::Claims, Reason::MalformedClaims);
            return self.find(what, expected, or_absent(value), opinion);
        };
        let fits = from <= self.now.plus(self.leeway);
        let found = format!("{}, {}", from.seconds(), apart(from, self.now));
        self.find(what, expected, found, Opinion::of(Some(fits), Step::Start, Reason::NotYetValid));
        let ahead = from.seconds().saturating_sub(self.now.seconds());
        if from.seconds() > SURELY_MILLISECONDS {
            self.advise("This looks like milliseconds; RFC 7519 counts seconds.");
        } else if ahead > 0 && what == "iat" {
            self.advise(format!("The issuer's clock seems to be {ahead} s ahead of this one: compare them."));
        }
    }

    fn scope(&mut self, claims: &Map<String, Value>) {
        let granted = jwt::scope(claims, self.against.profile.unwrap_or(Profile::Plain)).ok();
        let found = granted.as_ref().map_or_else(|| "cannot be read".to_owned(), |scope| shown(&scope.to_string()));
        let expected = self.against.needed.map_or_else(|| NOT_GIVEN.to_owned(), |needed| shown(&needed.to_string()));
        let fits = self.against.needed.and_then(|needed| Some(granted?.covers(needed)));
        self.find("scope", expected, found, Opinion::of(fits, Step::Scope, Reason::ScopeMissing));
    }

    /// What both profiles say, if none is given and they agree.
    fn by_profile(&self, fits: impl Fn(Profile) -> bool) -> Option<bool> {
        let (strict, plain) = (fits(Profile::Rfc9068), fits(Profile::Plain));
        match self.against.profile {
            Some(Profile::Rfc9068) => Some(strict),
            Some(Profile::Plain) => Some(plain),
            None => (strict == plain).then_some(strict),
        }
    }

    fn with_leeway(&self) -> String {
        format!(" (leeway {} s)", self.leeway.as_secs())
    }
}

fn decode(segment: &str) -> Option<Map<String, Value>> {
    parse_object(&BASE64URL.decode(segment).ok()?)
}

fn or_absent(value: Option<&Value>) -> String {
    match value {
        None => ABSENT.to_owned(),
        Some(Value::String(text)) => shown(text),
        Some(other) => shown(&other.to_string()),
    }
}
