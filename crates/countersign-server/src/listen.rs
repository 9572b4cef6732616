//! From an address to answers: binds, settles the issuer, serves, and stops without dropping what is in flight.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::http::Uri;
use countersign::{Connections, Memory, OAuth2, StartError};
use tokio::net::{TcpListener, lookup_host};

use crate::{
    app,
    config::{ListenAddress, Settings},
    failure::{Failure, Outcome},
    watch::Watch,
};

/// Files that connections leave to the rest: the database, the log, what is fetched.
pub(crate) const OTHER_FILES: u64 = 64;

/// Where a server may listen.
#[derive(Debug)]
pub(crate) struct Place {
    written: String,
    addresses: Vec<SocketAddr>,
    watch: Watch,
}

impl Place {
    /// Looks the address of the settings up. Without an https issuer it must be on this machine.
    ///
    /// # Errors
    /// There is no https issuer and other machines could reach the address, or it cannot be found.
    pub(crate) async fn find(settings: &Settings) -> Result<Self, Failure> {
        let written = settings.listen.as_str().to_owned();
        let failed = |source| StartError::Listen { address: written.clone(), source };
        let addresses: Vec<_> = lookup_host(&written).await.map_err(failed)?.collect();
        let library = settings.configure(OAuth2::new(Memory::new()))?;
        for address in &addresses {
            library
                .check_address(*address)
                .map_err(|refused| Failure::from(refused).hint("say --issuer https://… or set COUNTERSIGN_ISSUER"))?;
        }
        Ok(Self { written, addresses, watch: Watch::default() })
    }

    /// Looks up where metrics are to be served.
    ///
    /// # Errors
    /// It cannot be found, or the server itself listens there.
    pub(crate) async fn check_metrics(&self, listen: &ListenAddress) -> Result<(), Failure> {
        let written = listen.as_str();
        let failed = |source| StartError::Listen { address: written.to_owned(), source };
        let both = |one: SocketAddr, other: SocketAddr| {
            let is_either_all = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() != 0 && one.port() == other.port() && (is_either_all || one.ip() == other.ip())
        };
        if lookup_host(written)
            .await
            .map_err(failed)?
            .any(|of_metrics| self.addresses.iter().any(|ours| both(*ours, of_metrics)))
        {
            let refused = Failure::from(failed(io::ErrorKind::AddrInUse.into()));
            return Err(refused.hint("metrics_listen must be an address of its own; port 0 picks a free one"));
        }
        Ok(())
    }

    /// How the server there is watched.
    pub(crate) fn watched_by(self, watch: Watch) -> Self {
        Self { watch, ..self }
    }

    /// Whether other machines can reach it: by its address, or by its issuer through a proxy before it.
    pub(crate) fn others_reach_it(&self, settings: &Settings) -> bool {
        let issuer = settings.issuer.as_ref().and_then(|issuer| issuer.parse::<Uri>().ok());
        let is_public = issuer.is_some_and(|issuer| issuer.host().is_some_and(|host| !is_this_machine(host)));
        is_public || self.listens_to_others()
    }

    /// Whether other machines can reach its address.
    pub(crate) fn listens_to_others(&self) -> bool {
        self.addresses.iter().any(|address| !address.ip().is_loopback())
    }
}

/// Whether a host is this machine, by a name or address that cannot be another's.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    oauth2: OAuth2,
    watch: Watch,
    told_to_end: Signals,
}

impl Listening {
    /// Listens. Without an issuer, the server takes the address as its issuer.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn bind(oauth2: OAuth2, place: &Place) -> Result<Self, Failure> {
        let failed = |source| StartError::Listen { address: place.written.clone(), source };
        let listener = TcpListener::bind(place.addresses.as_slice()).await.map_err(|source| {
            let in_use = source.kind() == io::ErrorKind::AddrInUse;
            let failure = Failure::from(failed(source));
            if in_use { failure.hint("choose another with --listen; port 0 picks a free one") } else { failure }
        })?;
        let address = listener.local_addr().map_err(failed)?;
        place.watch.serve_metrics(&oauth2).await?;
        oauth2.settle_address(address);
        // From here on, so that nobody who reads where we listen can be too early.
        let told_to_end = Signals::new().map_err(failed)?;
        Ok(Self { listener, address, oauth2, watch: place.watch.clone(), told_to_end })
    }

    /// Where it listens, as a URL that works on this machine.
    pub(crate) fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Answers until the process is told to end, and then until the requests in flight are answered.
    pub(crate) async fn serve(self, connections: Connections) -> Outcome {
        let app = app::router(&self.oauth2)?;
        let connections = Connections { most: as_files_allow(connections.most), ..connections };
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let mut signals = self.told_to_end;
        let serving = connections.serve(self.listener, app, async move {
            // A sender that is gone says the same.
            let _ = told.await;
        });
        let ending = async {
            signals.next().await;
            tracing::info!(event = "end", "told to end: requests in flight are finished");
            let _ = tell.send(());
            signals.next().await;
            tracing::warn!(event = "end", outcome = "unfinished", "told to end again");
        };
        tokio::select! {
            never = self.oauth2.keep_house() => match never {},
            () = serving => {}
            () = ending => {}
        }
        self.watch.end().await;
        Ok(())
    }
}

/// As many connections as there may be files beside [`OTHER_FILES`], and no more than `most`. Lets the process have as many
/// files as it may: the number it starts with is for programs that cannot know more than 1,024.
#[cfg(unix)]
fn as_files_allow(most: u32) -> u32 {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    let as_started = limit.current;
    limit.current = limit.maximum;
    let allowed = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { as_started };
    let Some(files) = allowed else { return most };
    let left = files.saturating_sub(OTHER_FILES).max(files / 2);
    let allowed = u32::try_from(left).map_or(most, |left| left.min(most));
    if allowed < most {
        tracing::warn!(
            event = "connections",
            outcome = "fewer",
            files,
            connections = allowed,
            "fewer connections than max_connections: the process may open few files"
        );
    }
    allowed
}

#[cfg(not(unix))]
const fn as_files_allow(most: u32) -> u32 {
    most
}

/// The signals that tell the process to end.
#[derive(Debug)]
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "as its sibling")]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
