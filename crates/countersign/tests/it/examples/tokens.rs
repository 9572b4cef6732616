//! The examples about the life of tokens: renewed and ended, opaque, a client's own.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    ClientSecret, OAuth2,
    testing::{self, TurnableClock},
};
use serde_json::{Value, json};

use super::{
    Program, jwt_and_scopes_program, opaque_tokens_program, refresh_and_logout_program as renewing,
    service_to_service_program as services,
};
use crate::{
    clients::support::{OF_ITS_OWN, basic, post},
    store::any_store,
    support::{Answer, NOW, form},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// The example of renewal, with a clock to turn.
struct Renewing(Program, Arc<TurnableClock>);

impl Renewing {
    async fn new() -> Self {
        let clock = Arc::new(TurnableClock::at(NOW));
        let program = Program::of(renewing::api(OAuth2::new(any_store().await).clock(clock.clone())).await);
        Self(program, clock)
    }

    fn forward(&self, seconds: u64) {
        self.1.forward(Duration::from_secs(seconds));
    }

    async fn log_in(&self) -> Value {
        let login = form("/token", "username=alice&password=secret&scope=mail:read");
        self.0.send(login).await.expect(StatusCode::OK).json()
    }

    async fn renew(&self, last: &Value) -> Answer {
        let token = last["refresh_token"].as_str().unwrap();
        self.0.send(form("/token", &format!("grant_type=refresh_token&refresh_token={token}"))).await
    }

    /// What the mail says to the access token of this answer.
    async fn mail(&self, last: &Value) -> StatusCode {
        self.0.get("/mail", last["access_token"].as_str().unwrap()).await.0
    }

    #[track_caller]
    fn assert_ended(answer: Answer) {
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }
}

#[tokio::test]
async fn refresh_and_logout() {
    let program = Renewing::new().await;
    assert_eq!(program.0.get_without_token("/mail").await, StatusCode::UNAUTHORIZED);
    let first = program.log_in().await;
    assert_eq!(first["expires_in"], 5 * MINUTE);
    program.forward(6 * MINUTE);
    assert_eq!(program.mail(&first).await, StatusCode::UNAUTHORIZED, "the access token has expired");
    let second = program.renew(&first).await.expect(StatusCode::OK).json();
    assert_eq!(program.mail(&second).await, StatusCode::OK);

    let body = format!("token={}", second["refresh_token"].as_str().unwrap());
    assert_eq!(program.0.send(form("/revoke", &body)).await.expect(StatusCode::OK).body, "");
    assert_eq!(program.mail(&second).await, StatusCode::UNAUTHORIZED, "it had four minutes left");
    Renewing::assert_ended(program.renew(&second).await);
    assert_eq!(program.mail(&program.log_in().await).await, StatusCode::OK);
}

#[tokio::test]
async fn refresh_and_logout_tells_a_retry_from_a_theft() {
    let program = Renewing::new().await;
    let first = program.log_in().await;
    let second = program.renew(&first).await.expect(StatusCode::OK).json();
    program.forward(9);
    let again = program.renew(&first).await.expect(StatusCode::OK).json();
    assert_eq!((&again["refresh_token"], &again["access_token"]), (&second["refresh_token"], &second["access_token"]));
    program.forward(1);
    Renewing::assert_ended(program.renew(&first).await);
    Renewing::assert_ended(program.renew(&second).await);
    for ended in [&first, &second] {
        assert_eq!(program.mail(ended).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn refresh_and_logout_lasts_as_long_as_it_says() {
    let program = Renewing::new().await;
    let (unused, mut used) = (program.log_in().await, program.log_in().await);
    program.forward(29 * DAY);
    used = program.renew(&used).await.expect(StatusCode::OK).json();
    program.forward(DAY);
    Renewing::assert_ended(program.renew(&unused).await);
    used = program.renew(&used).await.expect(StatusCode::OK).json();
    for _ in 0..5 {
        program.forward(29 * DAY);
        used = program.renew(&used).await.expect(StatusCode::OK).json();
    }
    program.forward(5 * DAY - 1);
    used = program.renew(&used).await.expect(StatusCode::OK).json();
    program.forward(1);
    Renewing::assert_ended(program.renew(&used).await);
}

#[tokio::test]
async fn opaque_tokens() {
    let program = Program::of(opaque_tokens_program::app().await);
    let token = program.log_in("username=manish&password=secret&scope=read:items").await;
    assert!(token.starts_with("cs_access_") && !token.contains('.'), "{token}");
    assert_eq!(program.get("/items", &token).await.0, StatusCode::OK);
    let bare = program.log_in("username=manish&password=secret").await;
    assert_eq!(program.get("/items", &bare).await.0, StatusCode::FORBIDDEN);
    assert_eq!(program.get("/users/me", &bare).await.0, StatusCode::OK);
    for wrong in [&token[..token.len() - 1], &format!("{token}0"), "cs_access_"] {
        assert_eq!(program.get("/items", wrong).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    program.send(form("/revoke", &format!("token={token}"))).await.expect(StatusCode::OK);
    assert_eq!(program.get("/items", &token).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(program.get("/items", &bare).await.0, StatusCode::FORBIDDEN, "another token goes on");
}

#[tokio::test]
async fn opaque_tokens_are_one_line_and_change_nothing_in_the_document() {
    let lines = |program: &'static str| program.lines().skip_while(|line| !line.starts_with("scopes!"));
    let jwts: Vec<_> = lines(include_str!("../../../examples/jwt_and_scopes.rs")).collect();
    let (ours, others): (Vec<_>, Vec<_>) =
        lines(include_str!("../../../examples/opaque_tokens.rs")).partition(|line| line.contains("token_format"));
    assert_eq!((ours, others), (vec!["        .token_format(TokenFormat::Opaque)"], jwts));
    // One process has two types of this name here, and tells them apart.
    let document =
        |app: countersign::Result<countersign::Router>| app.unwrap().openapi().unwrap().replace("Item2", "Item");
    let (ours, others) = (document(opaque_tokens_program::app().await), document(jwt_and_scopes_program::app().await));
    assert!(ours == others, "{ours}");
}

/// What the service asks for, with its secret in the header.
async fn ask_as_warehouse(program: &Program, secret: &ClientSecret, scope: &str) -> Answer {
    let mut request: Request<Body> = form("/token", &format!("{OF_ITS_OWN}&scope={scope}"));
    request.headers_mut().insert(header::AUTHORIZATION, basic("warehouse", secret.secret()).parse().unwrap());
    program.send(request).await
}

#[tokio::test]
async fn service_to_service() {
    let shop = services::app().await.unwrap();
    let secret = services::add_warehouse(shop.oauth2()).await.unwrap().secret.unwrap();
    let program = Program::of(Ok(shop));
    let wrong = ask_as_warehouse(&program, &ClientSecret::new("wrong"), "stock:read").await;
    wrong.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    let login = format!("username=alice&password=secret{}", post("warehouse", secret.secret()));
    let no_logins = program.send(form("/token", &login)).await;
    no_logins.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");

    let answer = ask_as_warehouse(&program, &secret, "stock:read+stock:deliver").await.expect(StatusCode::OK).json();
    assert!(answer.get("refresh_token").is_none(), "{answer}");
    let service = answer["access_token"].as_str().unwrap();
    let user = program.log_in("username=alice&password=secret&scope=stock:read+stock:deliver").await;

    for page in ["/basket", "/users/me"] {
        assert_eq!(program.get(page, service).await.0, StatusCode::UNAUTHORIZED, "{page}: a service is no user");
    }
    assert_eq!(program.get("/basket", &user).await, (StatusCode::OK, "The basket of alice is empty".into()));

    let deliver = async |token: &str| {
        program.send_to("POST", "/deliveries", &[("authorization", &format!("Bearer {token}"))]).await
    };
    let refused = json!({ "detail": "Only services may do that." });
    assert_eq!(deliver(&user).await, (StatusCode::FORBIDDEN, refused));
    assert_eq!(deliver(service).await, (StatusCode::OK, "warehouse delivered".into()));
    let reader = ask_as_warehouse(&program, &secret, "stock:read").await.json();
    let reader = reader["access_token"].as_str().unwrap();
    assert_eq!(deliver(reader).await.1["error"], "insufficient_scope");

    let stock = async |token: &str| program.get("/stock", token).await;
    assert_eq!(stock(&user).await, (StatusCode::OK, "42 apples, for a user".into()));
    assert_eq!(stock(reader).await, (StatusCode::OK, "42 apples, for the service warehouse".into()));
}

#[tokio::test]
async fn service_to_service_lets_no_user_past_its_rule() {
    let attacked = testing::attack(services::app().await.unwrap()).as_user("alice").outsider("alice").await.unwrap();
    attacked.assert_held();
    assert!(attacked.unclear().is_empty(), "{attacked}");
}
