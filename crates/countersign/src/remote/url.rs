//! Which addresses an issuer may send us to: so that metadata makes nobody ask what only this machine can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;
use countersign_core::names::Issuer;

use crate::issuer::is_loopback;

/// Checks an address out of the metadata of `issuer`: `https`, or `http` on this machine if the issuer is there too; and
/// no address of a private network that is not the issuer's own.
///
/// For countersign's own tools, and no part of what stays the same.
///
/// # Errors
/// Why nobody should go there.
pub fn check_told(url: &str, issuer: &Issuer) -> Result<(), &'static str> {
    let host = check(url)?;
    let issuer: Uri = issuer.as_str().parse().map_err(|_| "its issuer is no URL")?;
    let issuer_host = issuer.host().unwrap_or_default();
    let is_here = is_loopback(&host);
    if is_here && is_loopback(issuer_host) {
        return Ok(());
    }
    if !is_https(url) {
        return Err("it must be https");
    }
    if is_private(&host) && !host.eq_ignore_ascii_case(issuer_host) {
        return Err("it is an address of a private network, and not the issuer's own");
    }
    Ok(())
}

/// Checks an address that the author of the API set: `https`, or `http` on this machine.
pub(super) fn check_set(url: &str) -> Result<(), &'static str> {
    let host = check(url)?;
    if is_https(url) || is_loopback(&host) { Ok(()) } else { Err("it must be https, or on this machine") }
}

fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

/// The host of an `http` or `https` URL that every parser reads alike.
fn check(url: &str) -> Result<String, &'static str> {
    // Where one parser sees a separator and another a letter, they disagree on the host.
    if url.bytes().any(|byte| !byte.is_ascii_graphic() || b"\\#\"'<>`{}|^;,".contains(&byte)) {
        return Err("it has characters that do not belong there");
    }
    let uri: Uri = url.parse().map_err(|_| "it is no URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("it must be https");
    }
    let authority = uri.authority().ok_or("it names no host")?.as_str();
    if authority.contains('@') {
        return Err("it has a user name");
    }
    let host = uri.host().unwrap_or_default();
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !is_name && literal(host).is_none() {
        return Err("its host is neither a name nor an address");
    }
    // `127.1`, `0x7f000001` and `2130706433` are addresses to those who read URLs as browsers do, and names to others.
    if is_name && literal(host).is_none() && ends_in_number(host) {
        return Err("its host is a number");
    }
    Ok(host.to_owned())
}

fn ends_in_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    last.starts_with(|first: char| first.is_ascii_digit())
        && (last.bytes().all(|byte| byte.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x"))
}

fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Whether a host is written as an address that the public Internet does not reach, or is a name of this machine.
fn is_private(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match literal(&name) {
        Some(IpAddr::V4(address)) => is_private_v4(address),
        Some(IpAddr::V6(address)) => is_private_v6(address),
        None => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        || first >= 240
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0)
        || (first == 198 && (second & !1) == 18)
}

/// Of the addresses that hold another, the other decides: IPv4-mapped, IPv4-compatible, NAT64 and 6to4.
fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [.., a, b] = segments;
    let v4 = |high: u16, low: u16| is_private_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => v4(a, b),
        [0x2002, high, low, ..] => v4(high, low),
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str, issuer: &str) -> bool {
        check_told(url, &Issuer::new(issuer)).is_ok()
    }

    #[test]
    fn c23_metadata_sends_nobody_to_addresses_of_private_networks() {
        for bad in [
            "https://127.0.0.1/keys",
            "https://127.8.8.8/keys",
            "https://localhost/keys",
            "https://LOCALHOST./keys",
            "https://a.localhost/keys",
            "https://10.1.2.3/keys",
            "https://172.31.0.1/keys",
            "https://192.168.0.1:8443/keys",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/keys",
            "https://100.127.255.255/keys",
            "https://0.0.0.0/keys",
            "https://192.0.0.192/keys",
            "https://198.19.0.1/keys",
            "https://224.0.0.1/keys",
            "https://255.255.255.255/keys",
            "https://[::1]/keys",
            "https://[::]/keys",
            "https://[fe80::1]/keys",
            "https://[fc00::1]/keys",
            "https://[fd00:ec2::254]/keys",
            "https://[ff02::1]/keys",
            "https://[::ffff:169.254.169.254]/keys",
            "https://[::ffff:10.0.0.1]/keys",
            "https://[::127.0.0.1]/keys",
            "https://[64:ff9b::7f00:1]/keys",
            "https://[2002:7f00:1::]/keys",
            "https://2130706433/keys",
            "https://0x7f000001/keys",
            "https://0x7f.1/keys",
            "https://127.1/keys",
            "https://017700000001/keys",
            "https://127.0.0.1./keys",
            "https://keys.example.com.1/keys",
            "https://%31%32%37.0.0.1/keys",
            "https://127。0。0。1/keys",
            "http://keys.example.com/keys",
            "http://localhost/keys",
            "http://127.0.0.1/keys",
            "https://user@keys.example.com/keys",
            "https://issuer.example.com@127.0.0.1/keys",
            "https://127.0.0.1\\@keys.example.com/keys",
            "https://keys.example.com/a b",
            "https://keys.example.com/#a",
            "https://keys.example.com/\r\nHost: a",
            "https:///keys",
            "https://",
            "//keys.example.com",
            "/keys",
            "ftp://keys.example.com/keys",
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_",
            "",
        ] {
            assert!(!told(bad, "https://issuer.example.com"), "{bad}");
        }
        for good in [
            "https://keys.example.com/keys",
            "HTTPS://keys.example.com:8443/keys?format=jwk&x=1",
            "https://8.8.8.8/keys",
            "https://172.32.0.1/keys",
            "https://100.128.0.1/keys",
            "https://[2606:4700::1111]/keys",
            "https://[::ffff:8.8.8.8]/keys",
            "https://issuer.example.com/keys",
        ] {
            assert!(told(good, "https://issuer.example.com"), "{good}");
        }
    }

    #[test]
    fn c23_an_issuer_of_a_private_network_may_send_to_itself_and_to_no_neighbour() {
        assert!(told("https://10.0.0.5:8443/keys", "https://10.0.0.5"));
        assert!(!told("https://10.0.0.6/keys", "https://10.0.0.5"));
        assert!(!told("http://10.0.0.5/keys", "https://10.0.0.5"));
        assert!(!told("https://127.0.0.1/keys", "https://10.0.0.5"));
    }

    #[test]
    fn c23_an_issuer_on_this_machine_may_send_to_this_machine_without_tls() {
        for issuer in ["http://127.0.0.1:3000", "http://localhost:3000", "http://[::1]:3000"] {
            assert!(told("http://127.0.0.1:3001/keys", issuer) && told("http://localhost/keys", issuer));
            assert!(told("https://keys.example.com/keys", issuer));
            for bad in ["http://keys.example.com/keys", "http://10.0.0.1/keys", "https://169.254.169.254/keys"] {
                assert!(!told(bad, issuer), "{bad}");
            }
        }
    }

    #[test]
    fn an_address_that_was_set_is_https_or_on_this_machine() {
        for good in ["https://issuer.example.com/introspect", "https://10.0.0.1/x", "http://localhost:1/x"] {
            assert!(check_set(good).is_ok(), "{good}");
        }
        for bad in ["http://issuer.example.com/x", "http://10.0.0.1/x", "https://a@b.example/", "x", ""] {
            assert!(check_set(bad).is_err(), "{bad}");
        }
    }
}
