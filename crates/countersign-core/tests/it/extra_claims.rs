//! Claims of the author's: what may be in a token, and what keeps a login from succeeding.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_core::{
    error::OAuthError,
    extra_claims::{ExtraClaims, IssuedFor, Map, Value},
    jose::MAX_TOKEN_BYTES,
    store::StoreError,
};
use serde_json::json;

use crate::support::{Login, log_of};

/// What the tests' author answers: these claims, or nothing because the author's table is away.
#[derive(Debug)]
struct Own {
    claims: Option<Value>,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl ExtraClaims for Own {
    async fn claims(&self, issued: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError> {
        let IssuedFor { subject, client_id, scope, .. } = issued;
        self.asked.lock().unwrap().push(format!("{subject} {client_id} {scope}"));
        let claims = self.claims.as_ref().ok_or_else(|| StoreError::unavailable("the table is away"))?;
        Ok(claims.as_object().unwrap().clone())
    }
}

fn own(claims: Option<Value>) -> Arc<Own> {
    Arc::new(Own { claims, asked: Mutex::default() })
}

#[tokio::test]
async fn a_claim_with_a_reserved_name_keeps_the_login_from_succeeding() {
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "client_id",
        "scope",
        "grant_id",
        "auth_time",
        "acr",
        "amr",
        "cnf",
        "act",
        "nonce",
        "at_hash",
        "c_hash",
        "s_hash",
        "events",
        "azp",
        "cid",
        "scp",
    ] {
        let login = Login::with_claims(own(Some(json!({ "roles": ["editor"], name: "secret-value" })))).await;
        let (answer, log) = log_of(login.log_in()).await;
        assert_eq!(answer.err(), Some(OAuthError::ServerError), "{name}");
        assert!(log.contains(&format!("claim=\"{name}\"")) && log.contains("ERROR"), "{log}");
        assert!(!log.contains("secret-value"), "{log}");
        assert_eq!(login.grants().await, 0, "nothing was granted");
    }
}

#[tokio::test]
async fn c15_no_token_is_issued_that_nobody_would_read() {
    let long = |bytes: usize| own(Some(json!({ "note": "a".repeat(bytes) })));
    let login = Login::with_claims(long(MAX_TOKEN_BYTES * 3 / 4)).await;
    let (answer, log) = log_of(login.log_in()).await;
    assert_eq!(answer.err(), Some(OAuthError::ServerError));
    assert!(log.contains("too long") && log.contains("note") && !log.contains("aaaa"), "{log}");
    assert_eq!(login.grants().await, 0, "nothing was granted");
    let login = Login::with_claims(long(MAX_TOKEN_BYTES / 2)).await;
    assert_eq!(login.log_in().await.unwrap().claims()["note"].as_str().unwrap().len(), MAX_TOKEN_BYTES / 2);
    assert_eq!(login.grants().await, 1);
}

#[tokio::test]
async fn when_the_claims_cannot_be_known_the_answer_is_unavailable() {
    let login = Login::with_claims(own(None)).await;
    let unavailable = OAuthError::TemporarilyUnavailable { retry_after: Duration::from_secs(1) };
    assert_eq!(login.log_in().await.err(), Some(unavailable));
    assert_eq!(login.grants().await, 0, "nothing was granted");
}

#[tokio::test]
async fn claims_of_ones_own_are_in_the_token_beside_ours() {
    let claims = json!({
        "roles": ["editor"], "groups": [], "entitlements": ["x"], "tenant": { "id": 7 }, "Scope": "admin", "": null,
    });
    let own = own(Some(claims.clone()));
    let login = Login::with_claims(own.clone()).await;
    let token = login.log_in().await.unwrap();
    assert_eq!(Value::Object(token.claims().clone()), claims);
    assert_eq!((token.subject().as_str(), token.scope().to_string()), ("1", "me".to_owned()));
    assert_eq!(*own.asked.lock().unwrap(), ["1 countersign me"]);
    login.clock.forward(Duration::from_secs(1));
    login.log_in().await.unwrap();
    assert_eq!(own.asked.lock().unwrap().len(), 2, "they are asked for each token");
}
