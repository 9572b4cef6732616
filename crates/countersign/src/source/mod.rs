//! Where a request comes from: the address of the connection, or what a proxy that is trusted says of it.

mod forwarded;
mod network;

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, HeaderName, header},
};
use countersign_core::throttle::Source;

pub use self::network::{Network, NetworkProblem};

/// The header in which a proxy says for whom it asks. Only the one that your proxy sets is read: another would be the
/// client's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which most proxies set.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }
}

/// Whom to believe about where a request comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) trusted: Vec<Network>,
    pub(crate) header: ForwardedHeader,
}

impl Sources {
    /// Where a request comes from, by its connection, if the server tells of it.
    pub(crate) fn of(&self, extensions: &Extensions, headers: &HeaderMap) -> Source {
        match extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(peer)) => Source::of(self.client_behind(peer.ip().to_canonical(), headers)),
            None => Source::Unknown,
        }
    }

    /// Whom `peer` asks for. Nobody but a proxy that is trusted is asked; of what they say the last that is not one of them
    /// counts, since everything before it may be made up. Where that cannot be read, it is the peer.
    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(client) {
            return client;
        }
        for hop in forwarded::from_last(self.header, headers.get_all(self.header.name())) {
            let Some(address) = hop else { return peer };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests;
