//! Notes, and the tests of an API: tokens without a login, a clock to turn, and every attack on every route.

use axum::{Json, extract::Path, http::StatusCode};
use countersign::{
    Builder, CurrentUser, Memory, NewUser, OAuth2, Router,
    routing::{delete, get},
    scopes,
};

scopes! {
    /// Read notes.
    pub ReadNotes = "notes:read";
    /// Delete notes.
    pub DeleteNotes = "notes:delete";
}

async fn list_notes(user: CurrentUser<ReadNotes>) -> Json<Vec<String>> {
    Json(vec![format!("{}'s note", user.username)])
}

async fn delete_note(_: CurrentUser<(ReadNotes, DeleteNotes)>, Path(note): Path<u32>) -> StatusCode {
    if note == 1 { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn api(settings: Builder) -> countersign::Result<Router> {
    let oauth2 = settings.title("Notes").build().await?;
    oauth2.add_user(NewUser::new("alice").password("secret").scope("notes:read notes:delete")).await?;
    Ok(oauth2.router().route("/notes", get(list_notes)).route("/notes/{note}", delete(delete_note)))
}

pub(crate) async fn app() -> countersign::Result<Router> {
    api(OAuth2::new(Memory::new())).await
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use axum::{body::Body, http::Request};
    use countersign::{
        Timestamp,
        testing::{self, TokenFor, TurnableClock},
    };
    use tower::ServiceExt;

    use super::*;

    /// Calls the API with a token, and says what it answered.
    async fn call(api: &axum::Router, method: &str, path: &str, token: &str) -> countersign::Result<StatusCode> {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        Ok(api.clone().oneshot(request.body(Body::empty())?).await?.status())
    }

    #[tokio::test]
    async fn no_attack_gets_through() -> countersign::Result<()> {
        let report = testing::attack(app().await?).await?;
        println!("{report}");
        report.assert_held();
        Ok(())
    }

    #[tokio::test]
    async fn the_document_says_what_happens() -> countersign::Result<()> {
        testing::walk(app().await?).await?.assert_held();
        Ok(())
    }

    #[tokio::test]
    async fn who_reads_notes_does_not_delete_them() -> countersign::Result<()> {
        let app = app().await?;
        let reader = testing::token(app.oauth2(), "alice", "notes:read").await?;
        let api = app.finish()?;
        assert_eq!(call(&api, "GET", "/notes", &reader).await?, StatusCode::OK);
        assert_eq!(call(&api, "DELETE", "/notes/1", &reader).await?, StatusCode::FORBIDDEN);
        Ok(())
    }

    #[tokio::test]
    async fn a_token_is_good_for_a_quarter_of_an_hour() -> countersign::Result<()> {
        let clock = Arc::new(TurnableClock::at(Timestamp::from_seconds(1_800_000_000)));
        let app = api(OAuth2::new(Memory::new()).clock(clock.clone())).await?;
        let token = testing::token(app.oauth2(), "alice", "notes:read").await?;
        let api = app.finish()?;
        clock.forward(Duration::from_secs(15 * 60));
        assert_eq!(call(&api, "GET", "/notes", &token).await?, StatusCode::OK, "clocks may be five seconds apart");
        clock.forward(Duration::from_secs(5));
        assert_eq!(call(&api, "GET", "/notes", &token).await?, StatusCode::UNAUTHORIZED);
        Ok(())
    }

    #[tokio::test]
    async fn tokens_for_another_api_are_refused() -> countersign::Result<()> {
        let app = app().await?;
        let elsewhere = TokenFor::user(app.oauth2(), "alice").scope("notes:read").audience("https://mail.example.com");
        let elsewhere = elsewhere.sign().await?;
        assert_eq!(call(&app.finish()?, "GET", "/notes", &elsewhere).await?, StatusCode::UNAUTHORIZED);
        Ok(())
    }
}
