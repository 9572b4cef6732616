//! Whether guesses are slowed, and by whose address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;
use countersign::Network;

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::{Settings, Switch},
    listen::is_this_machine,
};

pub(super) fn find(settings: &Settings) -> [Finding; 2] {
    let throttle = settings.throttle.unwrap_or(Switch::On);
    [slowed(throttle), proxies(throttle, &settings.trusted_proxies.0, is_behind_a_proxy(settings.issuer.as_deref()))]
}

/// The server speaks no TLS: where its issuer is https, somebody stands before it.
fn is_behind_a_proxy(issuer: Option<&str>) -> bool {
    let uri = issuer.and_then(|issuer| issuer.parse::<Uri>().ok());
    uri.is_some_and(|uri| uri.scheme_str() == Some("https") && !uri.host().is_some_and(is_this_machine))
}

fn slowed(throttle: Switch) -> Finding {
    match throttle {
        Switch::On => Check::Throttle.fine("on"),
        Switch::Off => {
            Check::Throttle.problem("off: guesses at passwords and secrets are not slowed", "throttle = true")
        }
    }
}

fn proxies(throttle: Switch, trusted: &[Network], is_behind_a_proxy: bool) -> Finding {
    // An address that nobody has: who trusts it trusts everybody.
    let anybody = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
    let is_for_all = |network: &&Network| anybody.iter().any(|address| network.contains(*address));
    if let Some(network) = trusted.iter().find(is_for_all) {
        let found = format!("{network} is trusted, and with it whoever sends the header");
        return Check::TrustedProxies
            .problem(found, "trusted_proxies = [\"…\"], the addresses of your own proxies alone");
    }
    match (throttle, is_behind_a_proxy) {
        (Switch::On, true) if trusted.is_empty() => Check::TrustedProxies.problem(
            "none is named, though the issuer is reached through one: all requests seem to come from one address",
            "trusted_proxies = [\"127.0.0.1\"], or wherever the proxy is",
        ),
        _ if trusted.is_empty() => Check::TrustedProxies.fine("none"),
        _ => Check::TrustedProxies.fine(format!("named: {}", trusted.len())),
    }
}
