//! What can be an issuer: a URL that is reached by TLS, or this machine.

use std::net::{IpAddr, SocketAddr};

use axum::http::Uri;
use countersign_core::{authorization_server::Settings, names::Issuer};

use crate::start_error::StartError;

/// Whether the issuer may be `http` on another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsecureIssuer {
    Refuse,
    Allow,
}

/// RFC 8414 §2: the issuer "is a URL that uses the "https" scheme and has no query or fragment components"; `http` is
/// for this machine alone.
pub(crate) fn check_issuer(issuer: &Issuer, insecure: InsecureIssuer) -> Result<(), StartError> {
    if issuer.as_str().ends_with('/') {
        let why = "it ends with a slash, which the paths of the endpoints begin with";
        return Err(StartError::Issuer { issuer: issuer.as_str().to_owned(), why });
    }
    check_issuer_url(issuer, insecure)
}

/// As [`check_issuer`], for the issuer of others, which may end with a slash.
pub(crate) fn check_issuer_url(issuer: &Issuer, insecure: InsecureIssuer) -> Result<(), StartError> {
    let problem = |why| StartError::Issuer { issuer: issuer.as_str().to_owned(), why };
    if issuer.as_str().contains(['#', '"', '\\']) {
        return Err(problem("it is no URL, or has a fragment"));
    }
    let uri: Uri = issuer.as_str().parse().map_err(|_| problem("it is no URL"))?;
    let host = uri.host().ok_or_else(|| problem("it names no host"))?;
    if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(problem("it has a query or a user name"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(host) || insecure == InsecureIssuer::Allow => Ok(()),
        Some("http") => Err(problem("it must be https, because passwords and tokens travel to it")),
        _ => Err(problem("it must be an https URL")),
    }
}

/// Whether a host is this machine, by a name or address that cannot be another's.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether an issuer is certainly reached by TLS, in whatever letter case its scheme is written.
pub(crate) fn is_tls(issuer: &str) -> bool {
    issuer.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// Whether an API that issues its own tokens may listen on `address`.
pub(crate) fn check_address(
    settings: &Settings,
    insecure: InsecureIssuer,
    address: SocketAddr,
) -> Result<(), StartError> {
    match settings.issuer.as_ref().map(Issuer::as_str) {
        _ if address.ip().is_loopback() => Ok(()),
        None => Err(StartError::IssuerNeeded(address)),
        Some(issuer) if !is_tls(issuer) && insecure == InsecureIssuer::Refuse => Err(StartError::PlainIssuer(address)),
        Some(_) => Ok(()),
    }
}
