//! `AccessToken`, `CurrentUser` and `BearerToken` as careless people would write them.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    AccessToken, BearerError, CurrentUser, Reason, argument,
    core::{
        key::{HeldKey, KeySet},
        names::{Audience, Issuer},
        token::{
            BearerToken,
            verify::{Expected, Profile, verify},
        },
    },
};
use serde_json::{Value, json};

use super::Careless;
use crate::support::{Me, ReadItems};

/// What a broken guard does wrong; everything else it does right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    Everything,
    LetsEverybodyIn,
    TakesEmptyForNobody,
    BelievesWords,
    BelievesEverything,
    ReadsXAuthorization,
    AcceptsAnyScheme,
    TakesTheFirstOfTwo,
    TakesTheLastOfTwo,
    OverlooksTheQuery,
    ReadsTheQuery,
    BelievesZeros,
    BelievesUnknownKeys,
    BelievesNone,
    UsesThePublicKeyAsSecret,
    BelievesTheHeadersAlgorithm,
    UsesTheKeyInTheHeader,
    IgnoresCrit,
    IgnoresTyp,
    IgnoresExp,
    IgnoresNbf,
    IgnoresIss,
    TrimsIss,
    IgnoresAud,
    TakesNoAudForAny,
    BelievesAPartOfTheSignature,
    DecodesLeniently,
    ReadsThreeSegmentsOfMore,
    WantsAnyScope,
    ComparesScopesWithoutCase,
    ComparesTheBeginningOfScopes,
    LooksForNobody,
    SwallowsBadTokens,
    AnswersWithoutAChallenge,
}

/// Claims to need what `AccessToken<(ReadItems, Me)>` needs.
pub(crate) struct Broken;

argument!(Broken: AccessToken<(ReadItems, Me)>);

/// Claims to need what `CurrentUser<(ReadItems, Me)>` needs.
pub(crate) struct BrokenUser;

argument!(BrokenUser: CurrentUser<(ReadItems, Me)>);

/// Claims to need what `BearerToken` needs, and does what its author must do with one: verify it.
pub(crate) struct BrokenBearer;

argument!(BrokenBearer: countersign::BearerToken);

/// Claims to need what `Option<AccessToken>` needs.
pub(crate) struct BrokenOption;

argument!(BrokenOption: Option<AccessToken>);

pub(crate) struct Refused(StatusCode, Mistake);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.1 {
            Mistake::AnswersWithoutAChallenge => self.0.into_response(),
            _ => (self.0, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response(),
        }
    }
}

impl FromRequestParts<Careless<Mistake>> for Broken {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Careless<Mistake>) -> Result<Self, Refused> {
        let refused = |status| Refused(status, state.mistake);
        let claims = state.claims(parts).await.map_err(refused)?;
        state.check_scopes(&claims).map(|()| Self).map_err(refused)
    }
}

impl FromRequestParts<Careless<Mistake>> for BrokenUser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Careless<Mistake>) -> Result<Self, Refused> {
        let refused = |status| Refused(status, state.mistake);
        let claims = state.claims(parts).await.map_err(refused)?;
        state.check_scopes(&claims).map_err(refused)?;
        let subject = countersign::Subject::new(claims["sub"].as_str().unwrap_or_default());
        let user = state.oauth2.server().unwrap().owners().find_by_subject(&subject).await.unwrap();
        let is_there = user.is_some_and(|user| user.is_active())
            || [Mistake::LooksForNobody, Mistake::Everything].contains(&state.mistake);
        if is_there { Ok(Self) } else { Err(refused(StatusCode::UNAUTHORIZED)) }
    }
}

impl FromRequestParts<Careless<Mistake>> for BrokenBearer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Careless<Mistake>) -> Result<Self, Refused> {
        state.claims(parts).await.map(|_| Self).map_err(|status| Refused(status, state.mistake))
    }
}

impl FromRequestParts<Careless<Mistake>> for BrokenOption {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Careless<Mistake>) -> Result<Self, Refused> {
        let is_nobody = !parts.headers.contains_key(header::AUTHORIZATION) || state.is(Mistake::SwallowsBadTokens);
        match state.claims(parts).await {
            Err(status) if !is_nobody => Err(Refused(status, state.mistake)),
            _ => Ok(Self),
        }
    }
}

/// A token taken apart, whatever it is.
struct Parsed<'t> {
    token: &'t str,
    header: Value,
    claims: Value,
    segments: Vec<&'t str>,
}

impl<'t> Parsed<'t> {
    fn of(token: &'t str) -> Self {
        let segments: Vec<_> = token.split('.').collect();
        let read = |place: usize| {
            let bytes = segments.get(place).and_then(|segment| URL_SAFE_NO_PAD.decode(segment).ok());
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
        };
        Self { token, header: read(0), claims: read(1), segments }
    }

    fn input(&self) -> String {
        self.segments.iter().take(2).copied().collect::<Vec<_>>().join(".")
    }

    fn signature(&self) -> &str {
        self.segments.get(2).copied().unwrap_or_default()
    }
}

impl Careless<Mistake> {
    /// The claims of the request's token, as far as it is believed.
    async fn claims(&self, parts: &Parts) -> Result<Value, StatusCode> {
        if self.is(Mistake::Everything) {
            return Ok(json!({ "scope": "read:items me" }));
        }
        let found = self.find_token(parts)?;
        let Some(token) = found else {
            return Ok(json!({ "scope": "read:items me" }));
        };
        let parsed = Parsed::of(&token);
        match self.oauth2.verify(&BearerToken::new(&*token)).await {
            Ok(_) => Ok(parsed.claims),
            Err(BearerError::InvalidToken(reason)) if self.forgives(&parsed, reason) => {
                // Whoever believes a word knows nothing of its scopes.
                Ok(if parsed.claims.is_null() { json!({ "scope": "read:items me" }) } else { parsed.claims })
            }
            Err(_) => Err(StatusCode::UNAUTHORIZED),
        }
    }

    /// The token; `None` for one who is let in without.
    fn find_token(&self, parts: &Parts) -> Result<Option<String>, StatusCode> {
        let headers: Vec<_> =
            parts.headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| value.to_str().ok()).collect();
        let in_query = |name: &str| {
            let pairs = parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
            pairs.clone().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let header = match headers[..] {
            [] => {
                if self.is(Mistake::ReadsTheQuery) {
                    return in_query("access_token").map(Some).ok_or(StatusCode::UNAUTHORIZED);
                }
                let elsewhere = parts.headers.get("x-authorization").and_then(|value| value.to_str().ok());
                if self.is(Mistake::ReadsXAuthorization) {
                    return elsewhere.map(|token| Some(token.to_owned())).ok_or(StatusCode::UNAUTHORIZED);
                }
                let nobody = parts.uri.query().is_none() && parts.headers.len() == 1;
                let lets_in = self.is(Mistake::LetsEverybodyIn) && nobody;
                return if lets_in { Ok(None) } else { Err(StatusCode::UNAUTHORIZED) };
            }
            [only] => only,
            [first, _] if self.is(Mistake::TakesTheFirstOfTwo) => first,
            [.., last] if self.is(Mistake::TakesTheLastOfTwo) => last,
            _ => return Err(StatusCode::BAD_REQUEST),
        };
        if in_query("access_token").is_some() && !self.is(Mistake::OverlooksTheQuery) {
            return Err(StatusCode::BAD_REQUEST);
        }
        let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
        if token.is_empty() && self.is(Mistake::TakesEmptyForNobody) && scheme == "Bearer" {
            return Ok(None);
        }
        let (scheme, token) = match self.mistake {
            Mistake::AcceptsAnyScheme if token.is_empty() => ("Bearer", scheme),
            Mistake::AcceptsAnyScheme => ("Bearer", token),
            _ => (scheme, token),
        };
        if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.to_owned())) } else { Err(StatusCode::UNAUTHORIZED) }
    }

    /// Whether the guard believes a token that does not hold, for this reason.
    fn forgives(&self, parsed: &Parsed<'_>, reason: Reason) -> bool {
        let Parsed { header, claims, segments, .. } = parsed;
        let server = self.oauth2.server().unwrap();
        let whole = segments.len() == 3 && parsed.signature().len() == 86;
        match self.mistake {
            Mistake::BelievesEverything => true,
            Mistake::BelievesWords => !parsed.token.is_empty() && header.is_null(),
            Mistake::BelievesZeros => whole && parsed.signature().bytes().all(|byte| byte == b'A'),
            Mistake::BelievesUnknownKeys => {
                reason == Reason::UnknownKey && ["jwk", "jku", "x5u", "x5c"].iter().all(|name| header[*name].is_null())
            }
            Mistake::BelievesNone => header["alg"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("none")),
            Mistake::UsesThePublicKeyAsSecret => {
                let secret = serde_json::to_string(&server.keys().published(crate::support::NOW).keys[0]).unwrap();
                let mac = HeldKey::of_secret(secret.as_bytes()).unwrap().sign(parsed.input().as_bytes()).unwrap();
                header["alg"] == "HS256" && URL_SAFE_NO_PAD.encode(mac) == parsed.signature()
            }
            Mistake::BelievesTheHeadersAlgorithm => {
                reason == Reason::OtherAlgorithm
                    && whole
                    && !header["alg"].as_str().unwrap().eq_ignore_ascii_case("none")
            }
            Mistake::UsesTheKeyInTheHeader => self.holds_by(parsed, header["jwk"].clone()),
            Mistake::IgnoresCrit => reason == Reason::CriticalExtension,
            Mistake::IgnoresTyp => reason == Reason::OtherType,
            Mistake::IgnoresExp => reason == Reason::Expired,
            Mistake::IgnoresNbf => reason == Reason::NotYetValid,
            Mistake::IgnoresIss => reason == Reason::OtherIssuer,
            Mistake::TrimsIss => {
                let said = claims["iss"].as_str().unwrap_or_default();
                reason == Reason::OtherIssuer && said.trim_end_matches('/') == server.issuer().as_str()
            }
            Mistake::IgnoresAud => reason == Reason::OtherAudience,
            Mistake::TakesNoAudForAny => reason == Reason::MalformedClaims && claims["aud"].is_null(),
            Mistake::BelievesAPartOfTheSignature => {
                [Reason::BadSignature, Reason::Malformed].contains(&reason)
                    && segments.len() == 3
                    && parsed.signature().len() < 86
                    && header["alg"] == "ES256"
                    && !claims.is_null()
            }
            Mistake::DecodesLeniently => {
                let stray = parsed.signature().len() == 86 && URL_SAFE_NO_PAD.decode(parsed.signature()).is_err();
                reason == Reason::Malformed && segments.len() == 3 && stray
            }
            Mistake::ReadsThreeSegmentsOfMore => segments.len() > 3,
            _ => false,
        }
    }

    /// Whether a token holds by this key.
    fn holds_by(&self, parsed: &Parsed<'_>, mut jwk: Value) -> bool {
        if jwk.is_null() {
            return false;
        }
        jwk["kid"] = parsed.header["kid"].clone();
        let keys = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        let (issuer, audience): (&Issuer, &Audience) =
            (self.oauth2.server().unwrap().issuer(), self.oauth2.server().unwrap().audience());
        let leeway = std::time::Duration::ZERO;
        let expected = Expected { keys: &keys, profile: Profile::Rfc9068, issuer, audience, leeway };
        verify(&BearerToken::new(parsed.token), expected, self.oauth2.server().unwrap().clock_for_test()).is_ok()
    }

    fn check_scopes(&self, claims: &Value) -> Result<(), StatusCode> {
        let said: Vec<_> =
            claims["scope"].as_str().unwrap_or_default().split(' ').filter(|one| !one.is_empty()).collect();
        let has = |needed: &&str| match self.mistake {
            Mistake::ComparesScopesWithoutCase => said.iter().any(|one| one.eq_ignore_ascii_case(needed)),
            Mistake::ComparesTheBeginningOfScopes => said.iter().any(|one| needed.starts_with(one)),
            _ => said.contains(needed),
        };
        let mut needed = ["read:items", "me"].iter();
        let enough = if self.is(Mistake::WantsAnyScope) { needed.any(has) } else { needed.all(has) };
        if enough { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }
}
