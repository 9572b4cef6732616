//! A user's logins, seen and ended by the user, and what else ends them.

mod endings;
mod endpoints;
mod own;
mod password;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{BearerError, Reason, Subject, core::token::BearerToken};
use serde_json::Value;

use crate::support::{Answer, TestApp, form};

/// What a login is answered with.
struct Login {
    access: String,
    refresh: String,
}

impl Login {
    fn read(answer: Answer) -> Self {
        let body = answer.expect(StatusCode::OK).json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

impl TestApp {
    async fn log_in(&self, username: &str) -> Login {
        Login::read(self.post_token(&format!("username={username}&password=correct+horse")).await)
    }

    async fn refresh(&self, refresh: &str) -> Answer {
        self.post_token(&format!("grant_type=refresh_token&refresh_token={refresh}")).await
    }

    async fn call(&self, method: Method, path: &str, token: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token).await
    }

    async fn logins(&self, token: &str) -> Vec<Value> {
        let answer = self.get_as("/users/me/grants", token).await.expect(StatusCode::OK);
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.json().as_array().unwrap().clone()
    }

    /// The name of the login of this token.
    async fn id_of(&self, token: &str) -> String {
        let current = self.logins(token).await.into_iter().find(|login| login["current"] == true).unwrap();
        current["id"].as_str().unwrap().to_owned()
    }

    /// Why a token is refused by a guard that does not look for its user.
    async fn refused(&self, token: &str) -> Option<Reason> {
        match self.oauth2.verify(&BearerToken::new(token)).await {
            Ok(_) => {
                self.get_as("/any", token).await.expect(StatusCode::OK);
                None
            }
            Err(error) => {
                assert!(matches!(error, BearerError::InvalidToken(_)), "{error:?}");
                self.get_as("/any", token).await.expect_invalid_token();
                Some(error.reason())
            }
        }
    }

    /// Neither token opens anything any more.
    async fn expect_dead(&self, login: &Login, reason: Reason) {
        assert_eq!(self.refused(&login.access).await, Some(reason));
        self.refresh(&login.refresh).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }

    async fn change_password(&self, token: &str, body: &str) -> Answer {
        let mut request = form("/users/me/password", body);
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self.send(request).await
    }

    async fn subject(&self, username: &str) -> Subject {
        self.oauth2.find_user(username).await.unwrap().unwrap().subject
    }
}
