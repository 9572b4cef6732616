//! Where a request comes from, as far as guesses are counted by it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Where a request comes from.
///
/// Whoever has one address of IPv6 has at least the other 2^64 of its network too (RFC 6177 §2), so they count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// From this address.
    Address(IpAddr),
    /// Nobody can tell: then guesses are counted by account alone.
    #[default]
    Unknown,
}

impl Source {
    /// The source at `address`; an IPv4 address that is mapped into IPv6 (RFC 4291 §2.5.5.2) is that IPv4 address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }

    /// The address, if it is known.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.to_canonical()),
            Self::Unknown => None,
        }
    }

    /// What counts as one: the address of IPv4, mapped into IPv6, or the /64 of IPv6.
    #[must_use]
    pub fn network(self) -> Option<[u8; 16]> {
        Some(match self.address()? {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => match address.segments() {
                // RFC 6052 §2.1: an address of IPv4 behind a translator, of which the whole of IPv4 is in one /64.
                [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
                    let [.., a, b, c, d] = address.octets();
                    Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().octets()
                }
                [a, b, c, d, ..] => Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).octets(),
            },
        })
    }

    /// What one customer may have: the address of IPv4, the /48 of IPv6 (RFC 6177 §2).
    #[must_use]
    pub fn site(self) -> Option<[u8; 16]> {
        let mut network = self.network()?;
        if Ipv6Addr::from(network).to_ipv4_mapped().is_none() {
            network[6..].fill(0);
        }
        Some(network)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
