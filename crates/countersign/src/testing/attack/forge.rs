//! Attacks on the API's own tokens: each token is a good one but for a single thing.

use std::time::Duration;

use countersign_core::{
    clock::Timestamp,
    jose::Algorithm,
    key::{HeldKey, KeyPairAlgorithm},
    scope::{Scope, ScopeToken},
    token::verify::Profile,
};
use serde_json::{Map, json};

use super::{kind::Attack, public_key, siege::Shot};
use crate::{
    guard::requirement::{Check, Claimed, Need},
    testing::{
        ask::{Ask, Place},
        draft::{Draft, base64url, compact, from_base64url},
        plan::{Ground, Users},
        problem::TestError,
        signer::Signer,
    },
};

/// What an attacker signs with where the API signs with a secret.
const ATTACKERS_SECRET: &[u8] = b"the attacker does not know yours";

/// Where an attacker would have a verifier look for keys: a name that nobody can have (RFC 2606 §2).
const ATTACKERS_KEYS: &str = "https://attacker.example/keys.json";

/// Longer ago than any leeway.
const LONG: Duration = Duration::from_secs(3600);

/// Just outside of the largest leeway that may be set.
const MOMENT: Duration = Duration::from_secs(61);

/// A subject that no user has.
const UNKNOWN_SUBJECT: &str = "nobody-has-this-subject";

/// How many characters are cut off at the end.
const CUTS: [usize; 4] = [1, 2, 4, 11];

/// One who has a good token, and keys of their own.
pub(super) struct Forger<'a> {
    ground: &'a Ground,
    key: HeldKey,
}

/// The tokens for one need, while they are made.
struct Forgery<'a> {
    signer: &'a Signer,
    profile: Profile,
    key: &'a HeldKey,
    others: &'a Ask,
    scope: Scope,
    draft: Draft,
    good: String,
    shots: Vec<Shot>,
}

impl<'a> Forger<'a> {
    pub(super) fn new(ground: &'a Ground) -> Result<Self, TestError> {
        let key = match KeyPairAlgorithm::find(ground.signer.algorithm()) {
            Some(algorithm) => HeldKey::generate(algorithm)?,
            None => HeldKey::of_secret(ATTACKERS_SECRET)?,
        };
        Ok(Self { ground, key })
    }

    /// Requests that must not be let in where a token is needed, beside good credentials of other schemes in `others`.
    pub(super) async fn shots(&self, need: &Need, others: &Ask) -> Result<Vec<Shot>, TestError> {
        let Self { ground, key } = self;
        let (signer, scope) = (&ground.signer, need.scope());
        let draft = signer.draft(ground.subject(), &scope).await?;
        let good = ground.good(&draft).await?;
        let mut forgery =
            Forgery { signer, profile: ground.profile, key, others, scope, draft, good, shots: Vec::new() };
        forgery.carriers();
        forgery.shapes();
        forgery.signatures()?;
        forgery.keys()?;
        forgery.headers()?;
        forgery.claims()?;
        forgery.scopes()?;
        if need.claims == Claimed::Some {
            let bare = signer.draft_with(Map::new(), ground.subject(), &forgery.scope);
            forgery.signed(Attack::NoClaims, "", &bare)?;
        }
        if need.check == Check::Owner && ground.users == Users::Here {
            forgery.subjects(ground.disabled.as_deref())?;
        }
        Ok(forgery.shots)
    }
}

impl Forgery<'_> {
    fn ask(&self) -> Ask {
        self.others.clone()
    }

    fn push(&mut self, attack: Attack, how: &str, ask: Ask) {
        self.shots.push(Shot::new(attack, how, ask));
    }

    fn token(&mut self, attack: Attack, how: &str, token: &str) {
        self.push(attack, how, self.ask().bearer(token));
    }

    /// Signed with the right key.
    fn signed(&mut self, attack: Attack, how: &str, draft: &Draft) -> Result<(), TestError> {
        let token = self.signer.sign(draft)?;
        self.token(attack, how, &token);
        Ok(())
    }

    /// Signed with the attacker's key.
    fn foreign(&mut self, attack: Attack, how: &str, draft: &Draft) -> Result<(), TestError> {
        let input = draft.input();
        self.token(attack, how, &compact(&input, &self.key.sign(input.as_bytes())?));
        Ok(())
    }

    fn draft(&self) -> Draft {
        self.draft.clone()
    }

    /// How a token comes (RFC 6750 §2): a good one all the while.
    fn carriers(&mut self) {
        let good = self.good.clone();
        let header = |name| Place::Header(axum::http::HeaderName::from_static(name));
        let cookie = Place::Cookie("access_token".to_owned());
        for (attack, how, ask) in [
            (Attack::NoCredentials, "", self.ask()),
            (Attack::Empty, "Bearer and a space", self.ask().bearer("")),
            (Attack::Empty, "Bearer alone", self.ask().at(&header("authorization"), "Bearer")),
            (Attack::Garbage, "a word", self.ask().bearer("garbage")),
            (Attack::Garbage, "two words", self.ask().bearer("gar bage")),
            (Attack::Garbage, "three segments", self.ask().bearer("a.b.c")),
            (Attack::WrongPlace, "in X-Authorization", self.ask().at(&header("x-authorization"), &good)),
            (Attack::WrongPlace, "in a cookie", self.ask().at(&cookie, &good)),
            (Attack::OtherScheme, "Token", self.ask().authorization("Token", &good)),
            (Attack::OtherScheme, "Basic", self.ask().authorization("Basic", &good)),
            (Attack::OtherScheme, "none", self.ask().at(&header("authorization"), &good)),
            (Attack::QueryOnly, "access_token", self.ask().query_token(&good)),
            (Attack::QueryOnly, "token", self.ask().query("token", &good)),
            (Attack::HeaderAndQuery, "the same", self.ask().bearer(&good).query_token(&good)),
            (Attack::HeaderAndQuery, "garbage in the address", self.ask().bearer(&good).query_token("garbage")),
            (Attack::HeaderAndForm, "the same", self.ask().bearer(&good).form_token(&good)),
            (Attack::HeaderAndForm, "garbage in the form", self.ask().bearer(&good).form_token("garbage")),
            (Attack::FormOnly, "", self.ask().form_token(&good)),
            (Attack::Doubled, "the same twice", self.ask().bearer(&good).bearer(&good)),
            (Attack::Doubled, "garbage second", self.ask().bearer(&good).bearer("garbage")),
            (Attack::Doubled, "garbage first", self.ask().bearer("garbage").bearer(&good)),
            (Attack::Doubled, "another scheme second", self.ask().bearer(&good).authorization("Basic", "YTpi")),
        ] {
            self.push(attack, how, ask);
        }
    }

    /// The good token as a string, changed.
    fn shapes(&mut self) {
        let good = self.good.clone();
        let (input, signature) = good.rsplit_once('.').unwrap_or((&good, ""));
        let (header, payload) = input.split_once('.').unwrap_or((input, ""));
        for cut in CUTS {
            self.token(Attack::Truncated, &format!("by {cut}"), &good[..good.len() - cut]);
        }
        for (how, token) in [
            ("half of the signature", &good[..good.len() - signature.len() / 2]),
            ("the signature", &good[..=input.len()]),
            ("the signature and its dot", input),
            ("half of the payload", &good[..header.len() + 1 + payload.len() / 2]),
            ("all but the header", header),
        ] {
            self.token(Attack::Truncated, how, token);
        }
        for (how, token) in
            [("one behind", format!("{good}.x")), ("an empty one", format!("{good}.")), ("five", format!("{good}.x.y"))]
        {
            self.token(Attack::ExtraSegments, how, &token);
        }
        let altered_header = self.draft().header("typ", json!("AT+jwt")).input();
        let altered_payload = self.draft().claim("jti", json!("another")).input();
        for (how, token) in [
            ("in the header", format!("{altered_header}.{signature}")),
            ("in the payload", format!("{altered_payload}.{signature}")),
            ("in the signature", format!("{input}.{}", with_other_character(signature, 0))),
            (
                "in the bits that decode to nothing",
                format!("{input}.{}", with_other_character(signature, signature.len() - 1)),
            ),
        ] {
            self.token(Attack::Altered, how, &token);
        }
    }

    /// Signatures that none of ours made for this token.
    fn signatures(&mut self) -> Result<(), TestError> {
        let input = self.draft.input();
        let signature = |token: &str| from_base64url(token.rsplit('.').next().unwrap_or_default());
        let length = signature(&self.good).len();
        let other = self.signer.sign(&self.draft().claim("jti", json!("another")))?;
        for (how, forged) in
            [("zeros", vec![0; length]), ("ones", vec![0xff; length]), ("another token's", signature(&other))]
        {
            self.token(Attack::ForgedSignature, how, &compact(&input, &forged));
        }
        for name in ["none", "None", "NONE", "nOnE"] {
            let draft = self.draft().header("alg", json!(name));
            self.token(Attack::AlgorithmNone, &format!("{name}, without a signature"), &compact(&draft.input(), &[]));
            self.signed(Attack::AlgorithmNone, &format!("{name}, with a signature"), &draft)?;
        }
        Ok(())
    }

    /// Keys that are not ours, or not secret (RFC 8725 §2.1, §3.10).
    fn keys(&mut self) -> Result<(), TestError> {
        let own_id = json!(self.key.id().as_str());
        self.foreign(Attack::ForeignKey, "under the right key's name", &self.draft())?;
        self.foreign(Attack::ForeignKey, "under its own name", &self.draft().header("kid", own_id.clone()))?;
        self.foreign(Attack::ForeignKey, "without a name", &self.draft().header("kid", None))?;
        let key = match self.key.public() {
            Some(public) => json!(public),
            None => json!({ "kty": "oct", "k": base64url(ATTACKERS_SECRET) }),
        };
        let certificate = public_key::der(&key).map(|der| json!([public_key::base64(&der)]));
        let injected = [
            ("jwk", Some(key)),
            ("jku", Some(json!(ATTACKERS_KEYS))),
            ("x5u", Some(json!(ATTACKERS_KEYS))),
            ("x5c", certificate),
        ];
        for (member, value) in injected {
            let Some(value) = value else { continue };
            let draft = self.draft().header(member, value);
            self.foreign(Attack::KeyInHeader, &format!("{member}, under the right key's name"), &draft)?;
            self.foreign(
                Attack::KeyInHeader,
                &format!("{member}, under its own"),
                &draft.header("kid", own_id.clone()),
            )?;
        }
        let Some(public) = self.signer.public_key() else { return Ok(()) };
        let input = self.draft().header("alg", json!(Algorithm::Hs256.name())).input();
        for (how, secret) in public_key::as_secrets(&public) {
            let signature = HeldKey::of_secret(&secret)?.sign(input.as_bytes())?;
            self.token(Attack::PublicKeyAsSecret, how, &compact(&input, &signature));
        }
        Ok(())
    }

    /// Headers that say what may not be (RFC 7515 §4, RFC 8725 §3).
    fn headers(&mut self) -> Result<(), TestError> {
        let ours = self.signer.algorithm().name();
        let others = ["RS256", "PS256", "ES384", "HS512"].map(str::to_owned).into_iter().chain([ours.to_lowercase()]);
        for name in others.filter(|name| name != ours) {
            self.signed(Attack::OtherAlgorithm, &name, &self.draft().header("alg", json!(name)))?;
        }
        self.signed(Attack::OtherAlgorithm, "without a name", &self.draft().header("alg", None))?;
        for (how, draft) in [
            ("unknown", self.draft().header("crit", json!(["unknown"])).header("unknown", json!(true))),
            ("b64", self.draft().header("crit", json!(["b64"])).header("b64", json!(true))),
            ("empty", self.draft().header("crit", json!([]))),
        ] {
            self.signed(Attack::CriticalExtension, how, &draft)?;
        }
        let mut types = vec!["rt+jwt", "dpop+jwt", "logout+jwt"];
        if self.profile == Profile::Rfc9068 {
            types.push("JWT");
            self.signed(Attack::OtherType, "none", &self.draft().header("typ", None))?;
        }
        for typ in types {
            self.signed(Attack::OtherType, typ, &self.draft().header("typ", json!(typ)))?;
        }
        Ok(())
    }

    /// Claims that say it is not for here and now (RFC 9068 §4).
    fn claims(&mut self) -> Result<(), TestError> {
        let now = self.signer.now();
        let at = |moment: Timestamp| json!(moment.seconds());
        let ended = |ago| self.draft().claim("iat", at(now.minus(LONG * 2))).claim("exp", at(now.minus(ago)));
        let future = || self.draft().claim("exp", at(now.plus(LONG * 2)));
        let issuer = self.signer.issuer();
        for (attack, how, draft) in [
            (Attack::Expired, "long ago", ended(LONG)),
            (Attack::Expired, "a minute ago", ended(MOMENT)),
            (Attack::NotYetValid, "nbf", future().claim("nbf", at(now.plus(LONG)))),
            (Attack::NotYetValid, "nbf, in a minute", future().claim("nbf", at(now.plus(MOMENT)))),
            (Attack::NotYetValid, "iat", future().claim("iat", at(now.plus(LONG)))),
            (Attack::OtherIssuer, "", self.draft().claim("iss", json!("https://attacker.example"))),
            (Attack::AlmostTheIssuer, "a slash", self.draft().claim("iss", json!(format!("{issuer}/")))),
            (Attack::AlmostTheIssuer, "in other letters", self.draft().claim("iss", json!(issuer.to_uppercase()))),
            (
                Attack::AlmostTheIssuer,
                "the beginning",
                self.draft().claim("iss", json!(format!("{issuer}.attacker.example"))),
            ),
            (Attack::AlmostTheIssuer, "a list", self.draft().claim("iss", json!([issuer]))),
            (Attack::OtherAudience, "one", self.draft().claim("aud", json!("https://attacker.example"))),
            (Attack::OtherAudience, "a list", self.draft().claim("aud", json!(["https://attacker.example"]))),
            (Attack::NoAudience, "none", self.draft().claim("aud", None)),
            (Attack::NoAudience, "an empty one", self.draft().claim("aud", json!(""))),
            (Attack::NoAudience, "an empty list", self.draft().claim("aud", json!([]))),
        ] {
            self.signed(attack, how, &draft)?;
        }
        Ok(())
    }

    /// Good tokens that allow too little (RFC 6750 §3.1).
    fn scopes(&mut self) -> Result<(), TestError> {
        let needed = self.scope.clone();
        for missing in needed.iter() {
            let less: Scope = needed.iter().filter(|token| *token != missing).cloned().collect();
            self.small(Attack::MissingScope, missing.as_str(), less)?;
        }
        self.changed_scopes(Attack::ScopeInOtherCase, "", swap_case)?;
        self.changed_scopes(Attack::AlmostTheScope, "the beginning", |token| token[..token.len() - 1].to_owned())?;
        self.changed_scopes(Attack::AlmostTheScope, "and more", |token| format!("{token}.more"))
    }

    fn changed_scopes(&mut self, attack: Attack, how: &str, change: impl Fn(&str) -> String) -> Result<(), TestError> {
        let changed = self.scope.iter().filter_map(|token| ScopeToken::parse(&change(token.as_str())).ok());
        let changed: Scope = changed.collect();
        if self.scope.is_empty() { Ok(()) } else { self.small(attack, how, changed) }
    }

    fn small(&mut self, attack: Attack, how: &str, scope: Scope) -> Result<(), TestError> {
        let claim = (!scope.is_empty()).then(|| json!(scope.to_string()));
        let token = self.signer.sign(&self.draft().claim("scope", claim))?;
        self.push(attack, how, self.ask().good(&token, scope));
        Ok(())
    }

    /// Good tokens of people who are not let in.
    fn subjects(&mut self, disabled: Option<&str>) -> Result<(), TestError> {
        self.signed(Attack::UnknownSubject, "", &self.draft().claim("sub", json!(UNKNOWN_SUBJECT)))?;
        match disabled {
            Some(subject) => self.signed(Attack::DisabledSubject, "", &self.draft().claim("sub", json!(subject))),
            None => Ok(()),
        }
    }
}

fn swap_case(text: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(swap).collect()
}

/// The alphabet of base64url (RFC 4648 §5).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Changes the lowest bit of the character at `place`: at the end of a signature, a bit that decodes to nothing.
fn with_other_character(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(value) = bytes.get(place).and_then(|byte| ALPHABET.iter().position(|known| known == byte)) {
        bytes[place] = ALPHABET[value ^ 1];
    }
    bytes.into_iter().map(char::from).collect()
}
