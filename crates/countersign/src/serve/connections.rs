//! Connections of HTTP/1.1: no more than there may be, and none for a client who only keeps it.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    pace::{SlowReader, body_in_time},
    places::Places,
};
use crate::source::Network;

/// How long requests in flight may take once no new ones are taken: longer than any login, shorter than the patience of
/// those who end a process (Kubernetes waits 30 seconds).
const GRACE: Duration = Duration::from_secs(25);

/// How much of a request or an answer is held for one connection, in bytes; a head that is longer is answered 431.
const BUFFER: usize = 64 * 1024;

/// The most connections that can be asked for: more than any system has.
const MOST: u32 = 1 << 24;

/// How long nobody is let in when the system has nothing left to give, such as files.
const BREATH: Duration = Duration::from_secs(1);

/// How many connections there may be, and how slow a client: what [`serve`](crate::serve) keeps to.
///
/// HTTP/1.1 is all that is spoken: a browser speaks HTTP/2 through TLS alone, and so to the proxy before this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many there are at most. Whoever comes then waits until another goes. 10,000 by default. One that was upgraded, to a
    /// WebSocket for one, counts until it ends.
    pub most: u32,
    /// How many there are at most from one source: an address of IPv4, a /64 of IPv6. What comes then is closed. `None`, the
    /// default, is a quarter of all. A /48 of IPv6, which one customer may have, has twice as many at most, or half of all if
    /// that is more.
    pub most_of_one: Option<u32>,
    /// The proxies that are trusted, which speak for many and are not bounded as one source. None by default;
    /// [`serve`](crate::serve) takes those of the handle.
    pub proxies: Vec<Network>,
    /// How long a client has for its first request line and headers; then for each 16 KiB, or the rest, of a body that
    /// somebody waits for; and for as much of an answer. 20 seconds by default.
    pub patience: Duration,
    /// How long a connection without a request is kept at least; it is kept for twice as long at most. 75 seconds by
    /// default, longer than proxies keep theirs, which else would send into one that is closed.
    pub idle: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            most: 10_000,
            most_of_one: None,
            proxies: Vec::new(),
            patience: Duration::from_secs(20),
            idle: Duration::from_secs(75),
        }
    }
}

impl Connections {
    /// Serves `app` until `told_to_end` has ended, and then until the requests in flight are answered, for at most 25
    /// seconds. Each request has [`ConnectInfo`] with the [`SocketAddr`] of who connected.
    pub async fn serve(self, listener: TcpListener, app: Router, told_to_end: impl Future<Output = ()>) {
        let mut places = Places::new(self.most.clamp(1, MOST), self.most_of_one, self.proxies);
        let times = Times { patience: self.patience, idle: self.idle };
        let app = TowerToHyperService::new(app.with_state::<()>(()));
        let (tell, told) = watch::channel(());
        let letting_in = async {
            while let Some(free) = places.free().await {
                let (stream, peer) = accept(&listener).await;
                let Some(place) = places.give(free, peer.ip()) else { continue };
                // The stream has its place: it may be upgraded, and then outlives what is spawned here.
                let stream = SlowReader::new(stream, place, times.patience);
                tokio::spawn(times.keep(stream, peer, app.clone(), told.clone()));
            }
        };
        tokio::select! {
            () = letting_in => {}
            () = told_to_end => {}
        }
        drop((listener, told));
        // Fails if nobody is left to hear it.
        let _ = tell.send(());
        tokio::select! {
            () = tell.closed() => {}
            () = sleep(GRACE) => {
                tracing::warn!(event = "end", outcome = "unfinished", "requests took too long to finish");
            }
        }
    }
}

/// How slow a client may be.
#[derive(Clone, Copy, Debug)]
struct Times {
    patience: Duration,
    idle: Duration,
}

impl Times {
    /// Keeps one connection for as long as it is used, or until its handler has it.
    async fn keep<Io, Held>(
        self,
        stream: SlowReader<Io, Held>,
        peer: SocketAddr,
        app: TowerToHyperService<Router>,
        mut told: watch::Receiver<()>,
    ) where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        Held: Unpin + Send + 'static,
    {
        let was_asked = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            was_asked.store(true, Ordering::Relaxed);
            let mut request = request.map(|body| body_in_time(body, self.patience));
            request.extensions_mut().insert(ConnectInfo(peer));
            app.call(request)
        });
        let mut http = http1::Builder::new();
        let connection = http.max_buf_size(BUFFER).serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection.with_upgrades());
        // One timer a connection and none a request: it looks whether there was a request since it last looked.
        let mut look = pin!(sleep(self.patience));
        let mut state = State::New;
        loop {
            tokio::select! {
                biased;
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(event = "connection", outcome = "broken", %error, "a connection broke");
                    }
                    return;
                }
                _ = told.changed(), if state != State::Ending => {
                    // Who has not asked for anything yet would keep the end waiting.
                    if state == State::New && !was_asked.load(Ordering::Relaxed) {
                        return;
                    }
                    state = State::Ending;
                }
                () = look.as_mut(), if state != State::Ending => match (was_asked.swap(false, Ordering::Relaxed), state) {
                    (true, _) => {
                        look.as_mut().reset(Instant::now() + self.idle);
                        state = State::Kept;
                    }
                    (false, State::New) => {
                        tracing::debug!(event = "connection", outcome = "idle", "a client connected and asked for nothing");
                        return;
                    }
                    (false, _) => state = State::Ending,
                },
            }
            if state == State::Ending {
                // What is in flight is finished; what is idle, or in the middle of a next head, is closed.
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has looked yet whether there was a request.
    New,
    /// It had one.
    Kept,
    /// It takes no more.
    Ending,
}

/// The next who connects.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(event = "connection", outcome = "failure", %error, "a connection waits for full packets");
                }
                return (stream, peer);
            }
            Err(error) if has_gone(&error) => {}
            Err(error) => {
                tracing::error!(event = "connections", outcome = "failure", %error, "nobody can be let in");
                sleep(BREATH).await;
            }
        }
    }
}

/// Whether it is the client's doing: they left before they were let in.
fn has_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;
