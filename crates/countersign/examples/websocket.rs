//! A WebSocket and a stream of events that are refused with a 401 before they are opened.

use std::convert::Infallible;

use axum::{
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use countersign::{AccessToken, CurrentUser, Memory, NewUser, OAuth2, Router, routing::get, scopes};
use tokio_stream::StreamExt;

scopes! {
    /// Talk to others.
    pub Chat = "chat";
}

/// Guards run before the upgrade: whoever is refused gets an answer, and no socket.
async fn chat(user: CurrentUser<Chat>, upgrade: WebSocketUpgrade) -> Response {
    let name = user.username.clone();
    upgrade.on_upgrade(move |mut socket: WebSocket| async move {
        while let Some(Ok(Message::Text(said))) = socket.recv().await {
            if socket.send(format!("{name}: {said}").into()).await.is_err() {
                break;
            }
        }
    })
}

async fn count(_: AccessToken<Chat>) -> Response {
    let events = tokio_stream::iter(1..=3).map(|number| Ok::<_, Infallible>(Event::default().data(number.to_string())));
    Sse::new(events).into_response()
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).build().await?;
    oauth2.add_user(NewUser::new("alice").password("secret").scope("chat")).await?;
    Ok(oauth2.router().route("/chat", get(chat)).route("/count", get(count)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
