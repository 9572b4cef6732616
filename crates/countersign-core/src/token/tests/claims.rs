//! What a token says: present, of the right type, and meant for us.

use serde_json::{Value, json};

use super::{super::verify::TokenProblem, AUDIENCE, Forge, ISSUER, LEEWAY, NOW};

#[tokio::test]
async fn c20_what_is_issued_says_all_that_rfc_9068_wants() {
    for forge in Forge::all().await {
        let token = forge.verify(&forge.good()).unwrap();
        assert_eq!((token.issuer().as_str(), token.subject().as_str()), (ISSUER, "alice"));
        assert_eq!((token.client_id().unwrap().as_str(), token.scope().to_string()), ("app", "me".to_owned()));
        assert_eq!((token.token_id(), token.grant_id().unwrap().as_str()), (Some("1"), "g"));
        assert_eq!((token.issued_at().seconds(), token.expires_at().seconds()), (NOW, NOW + 900));
        assert_eq!(token.audience()[0].as_str(), AUDIENCE);
    }
}

#[tokio::test]
async fn c6_claims_have_their_type_or_the_token_is_not_read() {
    let forge = Forge::es256().await;
    let wrong = |values: &[Value], name: &str| {
        for value in values {
            forge.refuses(&forge.with_claim(name, value.clone()), TokenProblem::MalformedClaims);
        }
    };
    let no_date = [
        json!("1800000900"),
        json!(null),
        json!(true),
        json!([1_800_000_900]),
        json!({}),
        json!(-1),
        json!(9_223_372_036_854_775_808_u64),
        json!(1.5),
        json!(1.8e9),
        json!("NaN"),
    ];
    for name in ["exp", "iat", "nbf"] {
        wrong(&no_date, name);
    }
    let no_text = [json!(1), json!(null), json!(["x"]), json!({}), json!(true)];
    for name in ["iss", "sub", "client_id", "jti", "scope", "grant_id"] {
        wrong(&no_text, name);
    }
    wrong(&[json!("a  b"), json!("a\"b")], "scope");
    wrong(&[json!("")], "sub");
    for name in ["exp", "iat", "iss", "sub", "aud", "client_id", "jti"] {
        forge.refuses(&forge.without_claim(name), TokenProblem::MalformedClaims);
    }
    for number in ["1e400", "-1e400", "NaN", "Infinity", "01", "1.", "+1"] {
        let claims = Forge::claims().to_string().replace("1800000900", number);
        forge.refuses(&forge.sign(forge.header().to_string(), claims), TokenProblem::Malformed);
    }
    for name in ["scope", "grant_id"] {
        assert!(forge.verify(&forge.without_claim(name)).is_ok(), "{name} may be absent");
    }
}

#[tokio::test]
async fn c7_clocks_may_be_apart_by_the_leeway_and_no_more() {
    let forge = Forge::es256().await;
    assert!(super::super::verify::DEFAULT_LEEWAY.as_secs() <= 60 && super::super::verify::MAX_LEEWAY.as_secs() <= 60);
    let leeway = i64::try_from(LEEWAY.as_secs()).unwrap();
    for (name, offset, expected) in [
        ("exp", -leeway + 1, None),
        ("exp", -leeway, Some(TokenProblem::Expired)),
        ("exp", -leeway - 1, Some(TokenProblem::Expired)),
        ("exp", -NOW, Some(TokenProblem::Expired)),
        ("nbf", leeway - 1, None),
        ("nbf", leeway, None),
        ("nbf", leeway + 1, Some(TokenProblem::NotYetValid)),
        ("iat", leeway, None),
        ("iat", leeway + 1, Some(TokenProblem::NotYetValid)),
    ] {
        assert_eq!(forge.verify(&forge.with_claim(name, json!(NOW + offset))).err(), expected, "{name} {offset}");
    }
    let last = forge.with_claim("exp", json!(i64::MAX));
    assert!(forge.verify(&last).is_ok(), "no overflow at the end of time");
}

#[tokio::test]
async fn c8_the_issuer_is_exact() {
    let forge = Forge::es256().await;
    for issuer in [
        "",
        "https://api.example.co",
        "https://api.example.com/",
        "https://api.example.com.evil.example",
        "HTTPS://API.EXAMPLE.COM",
        "https://API.example.com",
        "http://api.example.com",
        "https://api.example.com#",
        " https://api.example.com",
        "api.example.com",
    ] {
        forge.refuses(&forge.with_claim("iss", json!(issuer)), TokenProblem::OtherIssuer);
    }
    forge.refuses(&forge.with_claim("iss", json!([ISSUER])), TokenProblem::MalformedClaims);
}

#[tokio::test]
async fn c9_the_audience_is_among_them_whole() {
    let forge = Forge::es256().await;
    for audience in
        [json!([]), json!(""), json!([""]), json!(1), json!([AUDIENCE, 1]), json!(null), json!({ "a": AUDIENCE })]
    {
        forge.refuses(&forge.with_claim("aud", audience), TokenProblem::MalformedClaims);
    }
    for audience in [
        json!("https://items.example.co"),
        json!("https://items.example.com/"),
        json!("https://items.example.com.evil"),
        json!([ISSUER]),
        json!("https://other.example.com"),
        json!(format!("{AUDIENCE} {ISSUER}")),
    ] {
        forge.refuses(&forge.with_claim("aud", audience), TokenProblem::OtherAudience);
    }
    for audience in [json!(AUDIENCE), json!([AUDIENCE]), json!([ISSUER, AUDIENCE])] {
        assert!(forge.verify(&forge.with_claim("aud", audience)).is_ok());
    }
}

#[tokio::test]
async fn c10_a_token_of_another_type_is_no_access_token() {
    let forge = Forge::es256().await;
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("rt+jwt"),
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("client-authentication+jwt"),
        json!("at+jwt "),
        json!("at"),
        json!("application/jwt"),
        json!("application/application/at+jwt"),
        json!("text/at+jwt"),
        json!(null),
        json!(1),
        json!(["at+jwt"]),
        json!(""),
    ] {
        forge.refuses(&forge.with_header("typ", typ), TokenProblem::OtherType);
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"] {
        assert!(forge.verify(&forge.with_header("typ", json!(typ))).is_ok(), "{typ}");
    }
}

/// RFC 9449 §6.1, RFC 8705 §3.1, RFC 7800 §3, and what is no key at all.
fn bindings() -> [Value; 8] {
    [
        json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        json!({ "jwk": { "kty": "OKP" } }),
        json!({}),
        json!(null),
        json!(false),
        json!(""),
        json!([]),
    ]
}

#[tokio::test]
async fn p2_a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for forge in Forge::all().await.into_iter().chain([Forge::other("RS256").plain()]) {
        for binding in bindings() {
            forge.refuses(&forge.with_claim("cnf", binding), TokenProblem::Bound);
        }
        let mut claims = Forge::claims();
        claims["cnf"] = json!({ "jkt": "x" });
        claims["iss"] = json!("https://x");
        claims.as_object_mut().unwrap().remove("sub");
        let bound = forge.sign(forge.header().to_string(), claims.to_string());
        forge.refuses(&bound, TokenProblem::Bound);
        let (input, _) = bound.rsplit_once('.').unwrap();
        forge.refuses(&format!("{input}.AAAA"), TokenProblem::BadSignature);
    }
    let forge = Forge::es256().await;
    let inside = forge.verify(&forge.with_claim("other", json!({ "cnf": { "jkt": "x" } })));
    assert!(inside.is_ok(), "of another claim it is a member like any");
}

#[tokio::test]
async fn what_is_not_ours_to_interpret_is_handed_on_as_it_is() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Own {
        roles: Vec<String>,
        #[serde(default)]
        tenant: Option<u64>,
    }
    let forge = Forge::es256().await;
    let none = forge.verify(&forge.with_claim("nbf", json!(NOW))).unwrap();
    assert!(none.claims().is_empty(), "{:?}", none.claims());
    assert_eq!(none.parse_claims::<Own>(), Err(TokenProblem::MalformedClaims), "roles are missing");
    let token = forge.verify(&forge.with_claim("roles", json!(["editor"]))).unwrap();
    assert_eq!(Value::Object(token.claims().clone()), json!({ "roles": ["editor"] }));
    assert_eq!(token.parse_claims(), Ok(Own { roles: vec!["editor".to_owned()], tenant: None }));
    let other = forge.verify(&forge.with_claim("roles", json!("editor"))).unwrap();
    assert_eq!(other.parse_claims::<Own>(), Err(TokenProblem::MalformedClaims));
}
