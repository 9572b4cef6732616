//! Every security scheme of OpenAPI, each on a route that needs it and on one that may do without.

use axum::Json;
use countersign::{
    BearerToken, ClientId, ClientSecret, Credentials, GrantType, Memory, OAuth2, OAuth2PasswordRequestForm,
    OAuth2PasswordRequestFormStrict, Router, Routes, ScopeToken,
    routing::{get, post, public},
    scheme::{
        ApiKey, ApiKeyValue, BasicCredentials, HttpBasic, HttpBearer, HttpCredentials, HttpDigest, HttpScheme,
        OAuth2Flows, OpenIdConnect, SchemeKind, SecurityScheme,
    },
    security_schemes,
};
use serde_json::{Value, json};

security_schemes! {
    /// Tokens of a server elsewhere, had by the authorization code flow.
    pub Code as "OAuth2AuthorizationCodeBearer": OAuth2Flows =
        OAuth2Flows::authorization_code("https://login.example.com/authorize", "https://login.example.com/token")
            .scopes(&[("items", "Read items.")]);
    /// Tokens of a server elsewhere, for programs and for people.
    pub Flows as "OAuth2": OAuth2Flows = OAuth2Flows::client_credentials("https://login.example.com/token")
        .and(OAuth2Flows::password("https://login.example.com/token"));
    /// A token, wherever it is from.
    pub Bearer as "HTTPBearer": HttpBearer = HttpBearer::new();
    /// A user name and a password.
    pub Basic as "HTTPBasic": HttpBasic = HttpBasic::new();
    /// A user name and a password, for the realm `simple`.
    pub BasicRealm as "HTTPBasicSimple": HttpBasic = HttpBasic::new().realm("simple");
    /// A digest.
    pub Digest as "HTTPDigest": HttpDigest = HttpDigest::new();
    /// A scheme of one's own.
    pub Other as "HTTPBase": HttpScheme = HttpScheme::named("Other");
    /// Tokens of a provider that tells of itself.
    pub Oidc as "OpenIdConnect": OpenIdConnect =
        OpenIdConnect::discovered_at("https://login.example.com/.well-known/openid-configuration");
    /// A key in a header.
    pub HeaderKey as "APIKeyHeader": ApiKey = ApiKey::header("X-Key");
    /// A key in the address.
    pub QueryKey as "APIKeyQuery": ApiKey = ApiKey::query("key");
    /// A key in a cookie.
    pub CookieKey as "APIKeyCookie": ApiKey = ApiKey::cookie("key");
}

fn answer(handed_over: Option<Value>) -> Json<Value> {
    let mut answer = json!({});
    answer["v"] = handed_over.into();
    Json(answer)
}

/// `GET /req` and `GET /opt`, which answer with what the extractor handed over.
fn both<X: SecurityScheme>(show: fn(&<X::Kind as SchemeKind>::Credentials) -> Value) -> Routes {
    Routes::new()
        .route("/req", get(move |found: Credentials<X>| async move { answer(Some(show(&found))) }))
        .route("/opt", get(move |found: Option<Credentials<X>>| async move { answer(found.map(|found| show(&found))) }))
}

fn token(found: &HttpCredentials) -> Value {
    found.secret().into()
}

fn header(found: &HttpCredentials) -> Value {
    format!("{} {}", found.scheme(), found.secret()).into()
}

fn credentials(found: &HttpCredentials) -> Value {
    json!({ "scheme": found.scheme(), "credentials": found.secret() })
}

fn login(found: &BasicCredentials) -> Value {
    json!({ "username": found.username, "password": found.secret() })
}

fn key(found: &ApiKeyValue) -> Value {
    found.secret().into()
}

fn echo(form: &OAuth2PasswordRequestForm) -> Json<Value> {
    Json(json!({
        "grant_type": form.grant_type.map(GrantType::name),
        "username": form.username,
        "password": form.password.secret(),
        "scopes": form.scope.iter().map(ScopeToken::as_str).collect::<Vec<_>>(),
        "client_id": form.client_id.as_ref().map(ClientId::as_str),
        "client_secret": form.client_secret.as_ref().map(ClientSecret::secret),
    }))
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).title("Every scheme").build().await?;
    let password = Routes::new()
        .route("/req", get(async |token: BearerToken| answer(Some(token.secret().into()))))
        .route("/opt", get(async |token: Option<BearerToken>| answer(token.map(|token| token.secret().into()))));
    Ok(oauth2
        .router()
        .nest("/pw", password)
        .nest("/code", both::<Code>(token))
        .nest("/oauth2", both::<Flows>(header))
        .nest("/bearer", both::<Bearer>(credentials))
        .nest("/basic", both::<Basic>(login))
        .nest("/basicrealm", both::<BasicRealm>(login))
        .nest("/digest", both::<Digest>(credentials))
        .nest("/base", both::<Other>(credentials))
        .nest("/oidc", both::<Oidc>(header))
        .nest("/akh", both::<HeaderKey>(key))
        .nest("/akq", both::<QueryKey>(key))
        .nest("/akc", both::<CookieKey>(key))
        .route("/form", public(post(async |form: OAuth2PasswordRequestForm| echo(&form))))
        .route("/formstrict", public(post(async |form: OAuth2PasswordRequestFormStrict| echo(&form)))))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
