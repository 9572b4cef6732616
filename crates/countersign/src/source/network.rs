//! Networks: an address, or all addresses that begin alike (RFC 4632 §3.1, RFC 4291 §2.3).

use std::{fmt, net::IpAddr, str::FromStr};

/// An address, or a network of them, as `10.0.0.0/8` and `2001:db8::/32` are.
///
/// ```
/// use countersign::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// # Ok::<(), countersign::NetworkProblem>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many bits of it all addresses begin with.
    length: u8,
}

impl Network {
    /// Whether `address` is in it; one of IPv4 that is mapped into IPv6 is that of IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.length)
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let differing = ours.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.length)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkProblem;

    /// Reads an address, or an address and a length. Bits beyond the length must be zero, or somebody meant something else.
    fn from_str(text: &str) -> Result<Self, NetworkProblem> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| NetworkProblem)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok().filter(|length| *length <= all).ok_or(NetworkProblem)?
            }
            Some(_) => return Err(NetworkProblem),
            None => all,
        };
        let zeros = match address {
            IpAddr::V4(address) => address.to_bits().trailing_zeros(),
            IpAddr::V6(address) => address.to_bits().trailing_zeros(),
        };
        if zeros < u32::from(all - length) || address.to_canonical() != address {
            return Err(NetworkProblem);
        }
        Ok(Self { address, length })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Something is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address, and not a network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetworkProblem;
