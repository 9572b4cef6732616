//! What others can reach, and how.

use axum::http::Uri;

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::{CollectorUrl, ListenAddress, Settings, Switch},
    listen::{Place, is_this_machine},
    store,
};

/// Where a URL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// Nowhere yet: of an issuer, the address that is listened on is taken.
    Unset,
    Here,
    ByTls,
    /// On another machine, and not by TLS.
    Readable,
}

pub(super) async fn find(settings: &Settings) -> Vec<Finding> {
    let reached = reached(settings.issuer.as_deref());
    // An address that cannot be found is told by `start`.
    let place = Place::find(settings).await.ok();
    let listens_to_others = place.as_ref().is_some_and(Place::listens_to_others);
    let others_reach_it = listens_to_others || matches!(reached, Reached::ByTls | Reached::Readable);
    let mut findings = vec![
        issuer(settings, reached),
        allow_insecure_issuer(settings),
        listening(settings, listens_to_others),
        metrics_listen(settings.metrics_listen.as_ref().map(ListenAddress::as_str)),
        otel_endpoint(settings.otel_endpoint.as_ref().map(CollectorUrl::as_str)),
        developer_mode(settings, others_reach_it),
        docs(settings, others_reach_it),
    ];
    findings.extend(database_tls(settings));
    findings
}

/// Of a URL that cannot be read, `database` tells.
fn database_tls(settings: &Settings) -> Option<Finding> {
    let is_readable = store::is_readable_on_the_way(settings.database.as_str())?;
    Some(match is_readable {
        true => Check::DatabaseTls.problem(
            format!("{} is on another machine, and the URL has sslmode=disable", settings.database),
            "leave sslmode out of the URL; sslrootcert=FILE names the certificates to trust",
        ),
        false if store::is_server(settings.database.as_str()) => {
            Check::DatabaseTls.fine(format!("{} is on this machine, or reached by TLS", settings.database))
        }
        false => Check::DatabaseTls.fine("it is a file"),
    })
}

fn reached(url: Option<&str>) -> Reached {
    let Some(url) = url else { return Reached::Unset };
    let uri = url.parse::<Uri>().ok();
    match uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?))) {
        Some((_, host)) if is_this_machine(host) => Reached::Here,
        Some(("https", _)) => Reached::ByTls,
        _ => Reached::Readable,
    }
}

fn issuer(settings: &Settings, reached: Reached) -> Finding {
    let name = settings.issuer.as_deref().unwrap_or_default();
    match reached {
        Reached::Unset => Check::Issuer.fine("none is set: the server is for this machine alone"),
        Reached::Here => Check::Issuer.fine(format!("{name} is on this machine")),
        Reached::ByTls => Check::Issuer.fine(format!("{name} is reached by TLS")),
        Reached::Readable => Check::Issuer.problem(
            format!("{name} is not https, and on another machine"),
            "issuer = \"https://…\", with a proxy in front of the server that speaks TLS",
        ),
    }
}

fn allow_insecure_issuer(settings: &Settings) -> Finding {
    match settings.allow_insecure_issuer {
        Switch::Off => Check::AllowInsecureIssuer.fine("off"),
        Switch::On => Check::AllowInsecureIssuer.advice("on", "allow_insecure_issuer = false"),
    }
}

fn listening(settings: &Settings, to_others: bool) -> Finding {
    let address = settings.listen.as_str();
    if to_others {
        Check::Listening.advice(
            format!("{address} can be reached by other machines, without TLS"),
            "listen = \"127.0.0.1:8000\" where the proxy is on this machine; else see that only the proxy reaches it",
        )
    } else {
        Check::Listening.fine(format!("{address} is for this machine alone"))
    }
}

/// A name is this machine only if it cannot be another's.
fn metrics_listen(address: Option<&str>) -> Finding {
    let Some(address) = address else { return Check::MetricsListen.fine("none are served") };
    if address.rsplit_once(':').is_some_and(|(host, _)| is_this_machine(host)) {
        Check::MetricsListen.fine(format!("{address} is for this machine alone"))
    } else {
        Check::MetricsListen.advice(
            format!("{address} can be reached by other machines"),
            "metrics_listen = \"127.0.0.1:9464\" where they are collected on this machine; else see that only the collector reaches it",
        )
    }
}

fn otel_endpoint(url: Option<&str>) -> Finding {
    match (url, reached(url)) {
        (None, _) | (_, Reached::Unset) => Check::OtelEndpoint.fine("there are no traces"),
        (Some(url), Reached::Here) => Check::OtelEndpoint.fine(format!("{url} is on this machine")),
        (Some(url), Reached::ByTls) => Check::OtelEndpoint.fine(format!("{url} is reached by TLS")),
        (Some(url), Reached::Readable) => Check::OtelEndpoint.advice(
            format!("{url} is not https, and on another machine"),
            "otel_endpoint = \"https://…\", or a collector on this machine that sends them on",
        ),
    }
}

fn developer_mode(settings: &Settings, others_reach_it: bool) -> Finding {
    match (settings.developer_mode, others_reach_it) {
        (Switch::Off, _) => Check::DeveloperMode.fine("off"),
        (Switch::On, true) => {
            Check::DeveloperMode.problem("on where others can reach the server", "developer_mode = false")
        }
        (Switch::On, false) => {
            Check::DeveloperMode.advice("on, on this machine alone", "developer_mode = false before others reach it")
        }
    }
}

fn docs(settings: &Settings, others_reach_it: bool) -> Finding {
    match (settings.docs, others_reach_it) {
        (Switch::On, true) => {
            Check::Docs.advice("the docs page is there for everybody", "docs = false, unless it is meant")
        }
        (Switch::On, false) => Check::Docs.fine("the docs page is for this machine alone"),
        (Switch::Off, _) => Check::Docs.fine("off"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::finding::Severity, *};

    #[test]
    fn metrics_that_others_can_reach_are_told() {
        for (address, severity) in [
            (Some("0.0.0.0:9464"), Severity::Advice),
            (Some("[::]:9464"), Severity::Advice),
            (Some("metrics.example.com:9464"), Severity::Advice),
            (Some("127.0.0.1:9464"), Severity::Fine),
            (Some("[::1]:9464"), Severity::Fine),
            (Some("localhost:9464"), Severity::Fine),
            (None, Severity::Fine),
        ] {
            assert_eq!(metrics_listen(address).severity, severity, "{address:?}");
        }
    }

    #[test]
    fn traces_that_travel_readable_are_told() {
        for (url, severity) in [
            (None, Severity::Fine),
            (Some("http://127.0.0.1:4318"), Severity::Fine),
            (Some("http://[::1]:4318"), Severity::Fine),
            (Some("https://collector.example.com"), Severity::Fine),
            (Some("http://collector.example.com:4318"), Severity::Advice),
            (Some("http://10.0.0.7:4318"), Severity::Advice),
        ] {
            assert_eq!(otel_endpoint(url).severity, severity, "{url:?}");
        }
    }

    #[test]
    fn k1_an_issuer_elsewhere_is_reached_by_tls_or_it_is_readable() {
        for (issuer, expected) in [
            (None, Reached::Unset),
            (Some("http://127.0.0.1:8000"), Reached::Here),
            (Some("http://localhost"), Reached::Here),
            (Some("https://login.example.com"), Reached::ByTls),
            (Some("HTTPS://login.example.com"), Reached::ByTls),
            (Some("http://login.example.com"), Reached::Readable),
            (Some("http://127.0.0.1.evil.example"), Reached::Readable),
            (Some("login.example.com"), Reached::Readable),
        ] {
            assert_eq!(reached(issuer), expected, "{issuer:?}");
        }
    }
}
