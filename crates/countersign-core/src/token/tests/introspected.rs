//! What an introspection endpoint says of a token.

use serde_json::{Value, json};

use super::{
    super::{
        introspect::{MAX_INTROSPECTION_BYTES, introspected},
        verify::{Intended, TokenProblem},
    },
    AUDIENCE, ISSUER, LEEWAY, NOW, clock,
};
use crate::{
    names::{Audience, Issuer},
    token::AccessToken,
};

fn answer() -> Value {
    json!({
        "active": true, "token_type": "Bearer", "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "client_id": "app",
        "scope": "me", "iat": NOW, "exp": NOW + 900, "username": "Alice",
    })
}

fn with(name: &str, value: Value) -> String {
    let mut answer = answer();
    answer[name] = value;
    answer.to_string()
}

fn without(name: &str) -> String {
    let mut answer = answer();
    answer.as_object_mut().unwrap().remove(name);
    answer.to_string()
}

fn believe(body: impl AsRef<[u8]>) -> Result<AccessToken, TokenProblem> {
    let (issuer, audience) = (Issuer::new(ISSUER), Audience::new(AUDIENCE));
    let intended = Intended { issuer: &issuer, audience: &audience, leeway: LEEWAY };
    introspected(body.as_ref(), intended, &*clock())
}

#[track_caller]
fn refuses(body: impl AsRef<[u8]>, problem: TokenProblem) {
    let shown = String::from_utf8_lossy(body.as_ref()).into_owned();
    assert_eq!(believe(body).err(), Some(problem), "{shown:.300}");
}

#[test]
fn only_the_boolean_true_is_active() {
    for value in [json!(false), json!("true"), json!(1), json!(null), json!([true]), json!({})] {
        refuses(with("active", value), TokenProblem::Inactive);
    }
    refuses(without("active"), TokenProblem::Inactive);
    refuses("{}", TokenProblem::Inactive);
    refuses("{\"active\":false}", TokenProblem::Inactive);
}

#[test]
fn what_is_no_answer_is_told_from_what_answers_no() {
    let twice = answer().to_string().replacen('{', "{\"active\":true,", 1);
    let deep = with("x", json!(null)).replace("null", &format!("{}{}", "[".repeat(200), "]".repeat(200)));
    for body in ["", "true", "[]", "null", "<html>", "active=true", twice.as_str(), deep.as_str()] {
        refuses(body, TokenProblem::Malformed);
    }
    refuses([b"{\"active\":true,\"sub\":\"".as_slice(), &[0xff], b"\"}"].concat(), TokenProblem::Malformed);
    let long = |bytes: usize| format!("{}{}", answer(), " ".repeat(bytes - answer().to_string().len()));
    refuses(long(MAX_INTROSPECTION_BYTES + 1), TokenProblem::Malformed);
    assert!(believe(long(MAX_INTROSPECTION_BYTES)).is_ok());
}

#[test]
fn c9_an_answer_for_another_api_opens_nothing() {
    for audience in [json!("https://other.example.com"), json!([ISSUER]), json!(format!("{AUDIENCE}/"))] {
        refuses(with("aud", audience), TokenProblem::OtherAudience);
    }
    for audience in [json!([]), json!(null), json!(1), json!([AUDIENCE, 1]), json!("")] {
        refuses(with("aud", audience), TokenProblem::MalformedClaims);
    }
    assert!(believe(with("aud", json!([ISSUER, AUDIENCE]))).is_ok());
}

#[test]
fn c8_another_issuer_is_refused_and_none_is_the_endpoints() {
    refuses(with("iss", json!("https://evil.example.com")), TokenProblem::OtherIssuer);
    refuses(with("iss", json!(null)), TokenProblem::MalformedClaims);
    assert_eq!(believe(without("iss")).unwrap().issuer().as_str(), ISSUER);
}

#[test]
fn c6_members_have_their_type_and_what_is_needed_is_there() {
    for name in ["aud", "exp", "iat", "sub"] {
        refuses(without(name), TokenProblem::MalformedClaims);
        refuses(with(name, json!(null)), TokenProblem::MalformedClaims);
    }
    for (name, value) in [
        ("sub", json!("")),
        ("exp", json!("1800000900")),
        ("nbf", json!(1.5)),
        ("scope", json!(["me"])),
        ("client_id", json!(1)),
        ("token_type", json!("DPoP")),
        ("token_type", json!("mac")),
        ("token_type", json!("")),
        ("token_type", json!(null)),
        ("token_type", json!(["Bearer"])),
    ] {
        refuses(with(name, value), TokenProblem::MalformedClaims);
    }
    for kind in ["bearer", "BEARER"] {
        assert!(believe(with("token_type", json!(kind))).is_ok(), "{kind}");
    }
    for name in ["token_type", "scope", "client_id", "username"] {
        assert!(believe(without(name)).is_ok(), "{name} may be absent");
    }
}

#[test]
fn c10_an_active_answer_for_another_kind_of_token_opens_nothing() {
    for (name, value) in [
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!(null)),
        ("token_use", json!("refresh")),
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("events", json!({})),
    ] {
        refuses(with(name, value), TokenProblem::OtherType);
    }
    let mut access = answer();
    (access["typ"], access["nonce"]) = (json!("Bearer"), json!("n"));
    assert!(believe(access.to_string()).is_ok());
}

#[test]
fn p2_a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for binding in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({}), json!(null)] {
        refuses(with("cnf", binding), TokenProblem::Bound);
    }
    let mut bound = answer();
    bound["cnf"] = json!({ "jkt": "x" });
    bound["token_type"] = json!("DPoP");
    refuses(bound.to_string(), TokenProblem::Bound);
    bound["active"] = json!(false);
    refuses(bound.to_string(), TokenProblem::Inactive);
}

#[test]
fn c7_times_count_although_the_endpoint_says_active() {
    let leeway = i64::try_from(LEEWAY.as_secs()).unwrap();
    for (name, offset, expected) in [
        ("exp", -leeway + 1, None),
        ("exp", -leeway, Some(TokenProblem::Expired)),
        ("nbf", leeway, None),
        ("nbf", leeway + 1, Some(TokenProblem::NotYetValid)),
        ("iat", leeway + 1, Some(TokenProblem::NotYetValid)),
    ] {
        assert_eq!(believe(with(name, json!(NOW + offset))).err(), expected, "{name} {offset}");
    }
}

#[test]
fn what_is_believed_says_what_the_answer_said() {
    let token = believe(answer().to_string()).unwrap();
    assert_eq!((token.subject().as_str(), token.scope().to_string()), ("alice", "me".to_owned()));
    assert_eq!((token.client_id().unwrap().as_str(), token.token_id()), ("app", None));
    assert_eq!((token.issued_at().seconds(), token.expires_at().seconds()), (NOW, NOW + 900));
    assert_eq!(Value::Object(token.claims().clone()), json!({ "username": "Alice" }));
}
