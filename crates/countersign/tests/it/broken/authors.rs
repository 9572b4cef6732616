//! `Credentials` of schemes of the author's, checked as careless people would.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{Credentials, argument};

use super::{Basic, Careless, Key};

/// What a broken guard of a scheme of the author's does wrong; everything else it does right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checking {
    Right,
    Everything,
    PassesWithout,
    TakesAnEmptyOne,
    ReadsTheAddress,
    ReadsTheCookie,
    ReadsBearer,
    TakesTheFirstOfTwo,
    AcceptsAny,
    ComparesTheBeginning,
    ComparesNoMoreThanTheGoodOne,
    AcceptsAnyScheme,
    IgnoresThePassword,
    IgnoresTheName,
    TakesAnEmptyPassword,
}

type State = Careless<Checking>;

/// The key that was given out.
pub(crate) const GOOD_KEY: &str = "k-4711-secret";

/// The user name and the password that were, as they stand in the header.
pub(crate) const GOOD_BASIC: &str = "YW5uYTpzZWNyZXQ=";

type Refused = (StatusCode, [(header::HeaderName, &'static str); 1]);

const fn refused(status: StatusCode) -> Refused {
    (status, [(header::WWW_AUTHENTICATE, "APIKey realm=\"api\"")])
}

const UNAUTHORIZED: Refused = refused(StatusCode::UNAUTHORIZED);

/// Claims to need what `Credentials<Key>` needs, and to know the good key.
pub(crate) struct BrokenKey;

argument!(BrokenKey: Credentials<Key>);

/// Claims to need what `Credentials<Basic>` needs, and to know the good password.
pub(crate) struct BrokenBasic;

argument!(BrokenBasic: Credentials<Basic>);

/// What stands in a header, line by line.
fn lines<'p>(parts: &'p Parts, name: &str) -> Vec<&'p str> {
    parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
}

/// Compares a key, or a part of a pair, with the good one.
fn is_good(given: &str, good: &str, mistake: Checking) -> bool {
    match mistake {
        Checking::AcceptsAny => true,
        Checking::ComparesTheBeginning => good.starts_with(given) && !given.is_empty(),
        Checking::ComparesNoMoreThanTheGoodOne => given.starts_with(good),
        _ => given == good,
    }
}

impl FromRequestParts<State> for BrokenKey {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refused> {
        let in_query = parts.uri.query().and_then(|query| query.strip_prefix("x-key="));
        let in_cookie = lines(parts, "cookie").first().and_then(|cookie| cookie.strip_prefix("x-key="));
        let as_bearer = lines(parts, "authorization").first().and_then(|value| value.strip_prefix("Bearer "));
        let key = match lines(parts, "x-key")[..] {
            _ if state.is(Checking::Everything) => return Ok(Self),
            [] if state.is(Checking::PassesWithout) => return Ok(Self),
            [""] if state.is(Checking::TakesAnEmptyOne) => return Ok(Self),
            [] | [""] => match state.mistake {
                Checking::ReadsTheAddress => in_query,
                Checking::ReadsTheCookie => in_cookie,
                Checking::ReadsBearer => as_bearer,
                _ => None,
            },
            [one] => Some(one),
            [first, ..] if state.is(Checking::TakesTheFirstOfTwo) => Some(first),
            _ => return Err(refused(StatusCode::BAD_REQUEST)),
        };
        let key = key.ok_or(UNAUTHORIZED)?;
        if is_good(key, GOOD_KEY, state.mistake) { Ok(Self) } else { Err(UNAUTHORIZED) }
    }
}

impl FromRequestParts<State> for BrokenBasic {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refused> {
        let header = match lines(parts, "authorization")[..] {
            [] => return Err(UNAUTHORIZED),
            [one] => one,
            [first, ..] if state.is(Checking::TakesTheFirstOfTwo) => first,
            _ => return Err(refused(StatusCode::BAD_REQUEST)),
        };
        let (scheme, encoded) = header.split_once(' ').ok_or(UNAUTHORIZED)?;
        if !scheme.eq_ignore_ascii_case("basic") && !state.is(Checking::AcceptsAnyScheme) {
            return Err(UNAUTHORIZED);
        }
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or(UNAUTHORIZED)?;
        let (name, password) = decoded.split_once(':').ok_or(UNAUTHORIZED)?;
        let is_good_password = is_good(password, "secret", state.mistake)
            || state.is(Checking::IgnoresThePassword)
            || password.is_empty() && state.is(Checking::TakesAnEmptyPassword);
        let is_good_name = is_good(name, "anna", state.mistake) || state.is(Checking::IgnoresTheName);
        if is_good_password && is_good_name { Ok(Self) } else { Err(UNAUTHORIZED) }
    }
}
