//! Serves an API, and stops without dropping what is in flight.

mod connections;
mod pace;
mod places;

use axum::extract::FromRef;
use tokio::net::TcpListener;

pub use self::connections::Connections;
use crate::{oauth2::OAuth2, router::Router, start_error::StartError};

/// Listens on `address`, prints where, and serves until the process is told to end (Ctrl-C, or `SIGTERM`); then requests
/// in flight are finished, for at most 25 seconds. [`Connections`] says how slow a client may be, and each request knows
/// who connected (axum's `ConnectInfo<SocketAddr>`).
///
/// An API without an issuer takes the address as its issuer, which must then be on this machine.
///
/// # Errors
/// [`StartError`]: of [`Router::finish`], or the address cannot be listened on.
pub async fn serve<S>(app: Router<S>, address: &str) -> Result<(), StartError>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    let failed = |source| StartError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    serve_on(app, listener).await
}

/// As [`serve`], on a listener that is there already.
///
/// # Errors
/// As of [`serve`].
pub async fn serve_on<S>(app: Router<S>, listener: TcpListener) -> Result<(), StartError>
where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    let failed = |source| StartError::Listen { address: String::new(), source };
    let address = listener.local_addr().map_err(failed)?;
    app.oauth2().check_address(address)?;
    app.oauth2().settle_address(address);
    let docs = app.oauth2().docs().path().map(|path| format!(" (the docs page: http://{address}{path})"));
    let house = app.oauth2().clone().keep_house();
    let connections = Connections { proxies: app.oauth2().trusted_proxies().to_vec(), ..Connections::default() };
    let router = app.finish()?;
    println!("Listening on http://{address}{}", docs.unwrap_or_default());
    let told_again = async {
        told_to_end().await;
        told_to_end().await;
        tracing::warn!(event = "end", outcome = "unfinished", "told to end again");
    };
    tokio::select! {
        never = house => match never {},
        () = connections.serve(listener, router, told_to_end()) => {}
        () = told_again => {}
    }
    Ok(())
}

/// Ends when the process is told to.
async fn told_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}
