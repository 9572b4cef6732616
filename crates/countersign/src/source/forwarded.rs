//! What proxies say of those for whom they ask: `X-Forwarded-For`, and `Forwarded` (RFC 7239 §4).

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderValue, header::GetAll};

use super::ForwardedHeader;

/// How many proxies one after the other are believed: more than anybody has.
const MAX_HOPS: usize = 32;

/// The addresses in these headers, the last one first; `None` for what cannot be read, which is the end.
pub(super) fn from_last(
    header: ForwardedHeader,
    lines: GetAll<'_, HeaderValue>,
) -> impl Iterator<Item = Option<IpAddr>> {
    // Several lines are one list, in their order (RFC 9110 §5.3).
    let elements = lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let hops = elements.map(move |element| {
        let element = str::from_utf8(element).ok()?.trim();
        match header {
            ForwardedHeader::XForwardedFor => address(element),
            ForwardedHeader::Forwarded => address(forwarded_for(element)?),
        }
    });
    // The one beyond the last cannot be read either: who has so many is not known.
    hops.enumerate().map(|(number, hop)| hop.filter(|_| number < MAX_HOPS)).take(MAX_HOPS + 1)
}

/// The value of `for` in an element of `Forwarded`, without its quotes. A comma in quotes was split, which no address has.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        // RFC 7239 §4: "Each parameter MUST NOT occur more than once per field-value."
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(value),
    }
}

/// An address, with a port or without; one of IPv6 with brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}
