//! Clients for the tests, and requests as they send them.

use axum::http::{Request, header};
use countersign::{
    GrantType, NewClient, OAuth2,
    core::key::{HeldKey, KeyPairAlgorithm},
};
use serde_json::{Value, json};

use crate::support::{Answer, ISSUER, NOW, TestApp, form};

/// What a client of the tests asks for, without its credentials.
pub(crate) const OF_ITS_OWN: &str = "grant_type=client_credentials";

pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Long enough, and with all that is written differently in a header and in a form.
pub(crate) const SECRET: &str = "s3cr:t ü%+ and so many letters more";

/// A client that asks on its own behalf, for `read:items`.
pub(crate) fn service(id: &str) -> NewClient {
    NewClient::new(id).grant_type(GrantType::ClientCredentials).scope("read:items")
}

/// Adds a client whose secret is made, and returns the secret.
pub(crate) async fn add(oauth2: &OAuth2, client: NewClient) -> String {
    oauth2.add_client(client).await.unwrap().secret.map_or_else(String::new, |secret| secret.secret().to_owned())
}

pub(crate) fn form_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The header of RFC 6749 §2.3.1.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let both = format!("{}:{}", form_encoded(id), form_encoded(secret));
    format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, both))
}

/// The parameters of RFC 6749 §2.3.1.
pub(crate) fn post(id: &str, secret: &str) -> String {
    format!("&client_id={}&client_secret={}", form_encoded(id), form_encoded(secret))
}

impl TestApp {
    /// A token request with this body and, if there is one, this `Authorization` header.
    pub(crate) async fn ask(&self, body: &str, authorization: Option<&str>) -> Answer {
        let mut request: Request<_> = form("/token", body);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
        }
        self.send(request).await
    }
}

/// A client that signs, with its key.
pub(crate) struct SigningClient(pub(crate) HeldKey);

impl SigningClient {
    pub(crate) fn new(algorithm: KeyPairAlgorithm) -> Self {
        Self(HeldKey::generate(algorithm).unwrap())
    }

    /// Its JWK set.
    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.0.public().unwrap()] }).to_string()
    }

    /// An assertion of this header and these claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.0.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", encode(&signature))
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.0.algorithm().name(), "kid": self.0.id().as_str(), "typ": "JWT" })
    }

    /// A good assertion of this name.
    pub(crate) fn assertion(&self, client_id: &str, token_id: &str) -> String {
        self.sign(&self.header(), &claims(client_id, token_id))
    }
}

/// The claims of a good assertion.
pub(crate) fn claims(client_id: &str, token_id: &str) -> Value {
    let now = NOW.seconds();
    json!({ "iss": client_id, "sub": client_id, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": token_id })
}

/// The parameters of RFC 7523 §2.2.
pub(crate) fn with_assertion(assertion: &str) -> String {
    format!("&client_assertion_type={}&client_assertion={assertion}", form_encoded(ASSERTION_TYPE))
}
