//! Attacks on how credentials stand in a request: for every scheme, whoever checks what is in them; and credentials that
//! nobody gave out, where good ones are known.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{kind::Attack, siege::Shot};
use crate::testing::ask::{Ask, Place};

/// A scheme that nobody knows.
const UNKNOWN_SCHEME: &str = "Unheard-of";

/// Requests whose credentials cannot be good, however they are checked, beside good ones of other schemes in `others`.
pub(super) fn shots(place: &Place, credentials: &str, others: &Ask) -> Vec<Shot> {
    let ask = || others.clone();
    let shot = Shot::new;
    let mut shots = vec![
        shot(Attack::NoCredentials, "", ask()),
        shot(Attack::Empty, "", ask().at(place, "")),
        shot(Attack::Doubled, "the same twice", ask().at(place, credentials).at(place, credentials)),
        shot(Attack::Doubled, "different", ask().at(place, credentials).at(place, &format!("{credentials}2"))),
    ];
    shots.extend(
        elsewhere(place).into_iter().map(|(how, other)| shot(Attack::WrongPlace, how, ask().at(&other, credentials))),
    );
    if let Place::Authorization(_) = place {
        shots.push(shot(Attack::OtherScheme, UNKNOWN_SCHEME, ask().authorization(UNKNOWN_SCHEME, credentials)));
        shots.push(shot(Attack::OtherScheme, "none", ask().at(&header("authorization"), credentials)));
    }
    if *place == Place::bearer() {
        let bearer = || ask().at(place, credentials);
        shots.extend([
            shot(Attack::HeaderAndQuery, "the same", bearer().query_token(credentials)),
            shot(Attack::HeaderAndForm, "the same", bearer().form_token(credentials)),
            shot(Attack::FormOnly, "", ask().form_token(credentials)),
        ]);
    }
    shots
}

/// Requests with credentials that are like `good` ones and that nobody gave out, beside good ones of other schemes.
pub(super) fn unknown(place: &Place, good: &str, others: &Ask) -> Vec<Shot> {
    let mut unknown = vec![("made up", place.made_up().to_owned())];
    match basic(place, good) {
        Some((user, password)) => {
            let mut pair = |how, user: &str, password: &str| {
                unknown.push((how, STANDARD.encode(format!("{user}:{password}"))));
            };
            pair("a longer password", &user, &format!("{password}2"));
            pair("the beginning of the password", &user, but_the_last(&password));
            pair("no password", &user, "");
            pair("another user's name", &format!("{user}2"), &password);
        }
        None => {
            unknown.push(("and more", format!("{good}2")));
            unknown.push(("the beginning", but_the_last(good).to_owned()));
        }
    }
    let is_another = |(_, credentials): &(&str, String)| !credentials.is_empty() && credentials != good;
    let shot = |(how, credentials): (&str, String)| {
        Shot::new(Attack::UnknownCredentials, how, others.clone().at(place, &credentials))
    };
    unknown.into_iter().filter(is_another).map(shot).collect()
}

/// The user name and the password of HTTP basic (RFC 7617 §2).
fn basic(place: &Place, credentials: &str) -> Option<(String, String)> {
    let Place::Authorization(scheme) = place else { return None };
    let decoded = STANDARD.decode(credentials).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn but_the_last(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next_back();
    characters.as_str()
}

fn header(name: &'static str) -> Place {
    Place::Header(axum::http::HeaderName::from_static(name))
}

/// Where else a careless reader would look.
fn elsewhere(place: &Place) -> Vec<(&'static str, Place)> {
    let bearer = ("as a bearer token", Place::bearer());
    match place {
        Place::Authorization(_) => {
            vec![
                ("in the address", Place::Query("access_token".to_owned())),
                ("in X-Authorization", header("x-authorization")),
            ]
        }
        Place::Header(name) => {
            let name = name.as_str().to_owned();
            vec![("in the address", Place::Query(name.clone())), ("in a cookie", Place::Cookie(name)), bearer]
        }
        Place::Query(name) | Place::Cookie(name) => {
            let header = name.parse().ok().map(|name| ("in a header", Place::Header(name)));
            let other = match place {
                Place::Query(_) => ("in a cookie", Place::Cookie(name.clone())),
                _ => ("in the address", Place::Query(name.clone())),
            };
            header.into_iter().chain([other, bearer]).collect()
        }
    }
}
