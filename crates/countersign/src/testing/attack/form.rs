//! Attacks on how credentials stand in a request: for every scheme, whoever checks what is in them.

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
    shots
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
