//! Whose word counts about where a request comes from.

use super::*;

const PROXY: &str = "10.0.0.1:4711";

fn sources(header: ForwardedHeader) -> Sources {
    Sources { trusted: ["10.0.0.0/8", "2001:db8:aaaa::/48"].map(|network| network.parse().unwrap()).to_vec(), header }
}

#[track_caller]
fn from(sources: &Sources, peer: &str, lines: &[(&'static str, &str)]) -> String {
    let (mut extensions, mut headers) = (Extensions::new(), HeaderMap::new());
    extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    for (name, value) in lines {
        headers.append(*name, value.parse().unwrap());
    }
    sources.of(&extensions, &headers).to_string()
}

#[test]
fn k4_d17_nobody_but_a_trusted_proxy_says_where_a_request_comes_from() {
    let (trusting, default) = (sources(ForwardedHeader::XForwardedFor), Sources::default());
    let spoofed = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7")];
    assert_eq!(from(&trusting, "203.0.113.9:1", &spoofed), "203.0.113.9");
    assert_eq!(from(&default, PROXY, &spoofed), "10.0.0.1");
    assert_eq!(from(&trusting, "11.0.0.1:1", &spoofed), "11.0.0.1");
    assert_eq!(from(&trusting, "[2001:db8:aaab::1]:1", &spoofed), "2001:db8:aaab::1");
    assert_eq!(from(&trusting, "[2001:db8:aaaa::1]:1", &spoofed), "198.51.100.7");
    // A socket for both kinds of address sees IPv4 mapped.
    assert_eq!(from(&trusting, "[::ffff:10.0.0.1]:1", &spoofed), "198.51.100.7");
    assert_eq!(trusting.of(&Extensions::new(), &HeaderMap::new()), Source::Unknown);
}

#[test]
fn k4_d17_the_last_address_that_is_no_proxy_counts() {
    let trusting = sources(ForwardedHeader::XForwardedFor);
    let of = |value| from(&trusting, PROXY, &[("x-forwarded-for", value)]);
    assert_eq!(of("198.51.100.7"), "198.51.100.7");
    assert_eq!(of("1.1.1.1, 198.51.100.7"), "198.51.100.7");
    assert_eq!(of("1.1.1.1, 198.51.100.7, 10.2.3.4,10.9.9.9"), "198.51.100.7");
    assert_eq!(of("garbage, 198.51.100.7:4711"), "198.51.100.7");
    assert_eq!(of("[2001:db8::1]:80"), "2001:db8::1");
    assert_eq!(of("::ffff:198.51.100.7"), "198.51.100.7");
    assert_eq!(of("10.5.5.5, 10.6.6.6"), "10.5.5.5", "all of them are ours");
    let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", "10.2.3.4")];
    assert_eq!(from(&trusting, PROXY, &lines), "198.51.100.7", "several lines are one list");
}

#[test]
fn k4_d17_what_cannot_be_read_leaves_the_proxy() {
    let trusting = sources(ForwardedHeader::XForwardedFor);
    let many = vec!["10.2.3.4"; 33].join(",");
    for value in ["", "unknown", "198.51.100.7,", "198.51.100.7, nonsense", "1.1.1.1 2.2.2.2", "300.1.1.1", &many] {
        assert_eq!(from(&trusting, PROXY, &[("x-forwarded-for", value)]), "10.0.0.1", "{value}");
    }
    let most = format!("198.51.100.7,{}", vec!["10.2.3.4"; 31].join(","));
    assert_eq!(from(&trusting, PROXY, &[("x-forwarded-for", &most)]), "198.51.100.7");
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", axum::http::HeaderValue::from_bytes(b"198.51.100.7\xff").unwrap());
    assert_eq!(trusting.client_behind("10.0.0.1".parse().unwrap(), &headers).to_string(), "10.0.0.1");
}

#[test]
fn k4_d17_the_header_that_the_proxy_does_not_set_is_not_read() {
    let forwarded = sources(ForwardedHeader::Forwarded);
    let both = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=198.51.100.7")];
    assert_eq!(from(&forwarded, PROXY, &both), "198.51.100.7");
    assert_eq!(from(&sources(ForwardedHeader::XForwardedFor), PROXY, &both), "1.1.1.1");
    assert_eq!(from(&forwarded, PROXY, &both[..1]), "10.0.0.1");
}

#[test]
fn k4_d17_rfc_7239_is_read() {
    let forwarded = sources(ForwardedHeader::Forwarded);
    let of = |value| from(&forwarded, PROXY, &[("forwarded", value)]);
    assert_eq!(of("for=198.51.100.7;proto=https;by=10.0.0.1"), "198.51.100.7");
    assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
    assert_eq!(of("for=1.1.1.1, proto=http; for=\"198.51.100.7:80\", for=10.3.3.3"), "198.51.100.7");
    assert_eq!(of("for=\"1.1.1.1, for=198.51.100.7"), "198.51.100.7", "an open quote does not hide what follows");
    for value in ["for=unknown", "for=_hidden", "by=10.0.0.1", "for=1.1.1.1;for=2.2.2.2", "for=\"1.1.1.1", "1.1.1.1"] {
        assert_eq!(of(value), "10.0.0.1", "{value}");
    }
}

#[test]
fn networks_are_read_strictly() {
    for text in ["10.0.0.0/8", "10.1.2.3", "::/0", "2001:db8::/32", "0.0.0.0/0", "::1/128"] {
        assert!(text.parse::<Network>().is_ok(), "{text}");
    }
    for text in
        ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "::1/129", "10.0.0.0/+8", "10.0.0.0/", "::ffff:10.0.0.0/104"]
    {
        assert_eq!(text.parse::<Network>(), Err(NetworkProblem), "{text}");
    }
    let all: Network = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains("255.1.2.3".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    let one: Network = "10.1.2.3".parse().unwrap();
    assert!(one.contains("10.1.2.3".parse().unwrap()) && !one.contains("10.1.2.2".parse().unwrap()));
    assert_eq!(one.to_string(), "10.1.2.3/32");
}
