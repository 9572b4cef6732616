//! Requests to the finished router, in process, and paths whose parameters are filled.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Method, Request, StatusCode, header},
    response::Response,
};
use tower::ServiceExt;

use super::ask::Ask;

/// What a parameter of a path is filled with, until one is taken: a number, a UUID, a word.
const FILLINGS: [&str; 3] = ["1", "00000000-0000-4000-8000-000000000000", "a"];

/// The most parameters that are filled independently of each other: with more, there are too many combinations.
const MAX_INDEPENDENT: usize = 3;

/// Below the prefix of a fallback, where no route is likely to be.
const NOWHERE: &str = "/no/such/route/is/in/this/api";

/// The type of a form (RFC 6749 Appendix B).
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The address from which requests come.
const CALLER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// What was answered, as far as it tells whether a guard refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    challenged: bool,
}

impl Answer {
    /// 401 with a challenge (RFC 9110 §11.6.1), 403, or 400 with a challenge, as for several credentials (RFC 6750 §3.1).
    pub(super) fn is_refusal(self) -> bool {
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => self.challenged,
            status => status == StatusCode::FORBIDDEN,
        }
    }

    /// Whether the path, or what is in it, may have been wrong, so that no guard was asked.
    pub(super) fn may_be_about_the_path(self) -> bool {
        let about = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY];
        !self.is_refusal() && about.contains(&self.status)
    }
}

/// Calls a route.
pub(super) async fn call(router: &axum::Router, method: &Method, path: &str, ask: &Ask) -> Answer {
    let response = respond(router, method, path, ask).await;
    Answer { status: response.status(), challenged: response.headers().contains_key(header::WWW_AUTHENTICATE) }
}

async fn respond(router: &axum::Router, method: &Method, path: &str, ask: &Ask) -> Response {
    let mut request = Request::new(Body::from(encoded(&ask.form)));
    *request.method_mut() = method.clone();
    if !ask.form.is_empty() {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    }
    let query = encoded(&ask.query);
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    // A path that is no path finds no route, and so is told as unclear.
    *request.uri_mut() = target.parse().unwrap_or_default();
    for (name, value) in ask.headers.iter().cloned() {
        request.headers_mut().append(name, value);
    }
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    request.extensions_mut().insert(ConnectInfo(CALLER));
    let answered: Result<_, Infallible> = router.clone().oneshot(request).await;
    let Ok(response) = answered;
    response
}

/// The path with its parameters filled, in every way that is tried.
pub(super) fn filled(path: &str) -> Vec<String> {
    if let Some(prefix) = path.strip_suffix("/*") {
        return filled(prefix).into_iter().map(|prefix| prefix + NOWHERE).collect();
    }
    let names = path.matches('{').count();
    let combinations = FILLINGS.len().pow(u32::try_from(names.min(MAX_INDEPENDENT)).unwrap_or_default());
    (0..combinations).map(|number| fill(path, number)).collect()
}

/// The filling of the first parameter changes fastest; from the last that is independent on, all have the same.
fn fill(path: &str, mut number: usize) -> String {
    let mut parts = path.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for (place, part) in parts.enumerate() {
        whole.push_str(FILLINGS[number % FILLINGS.len()]);
        if place + 1 < MAX_INDEPENDENT {
            number /= FILLINGS.len();
        }
        whole.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    whole
}

/// The methods that stand for what the audit calls a method. `*` is every one, or those that axum tells in `Allow`
/// (RFC 9110 §10.2.1) where it is asked for one that nobody has.
pub(super) async fn methods(router: &axum::Router, name: &str, path: &str) -> Vec<Method> {
    if name != "*" {
        return name.parse().into_iter().collect();
    }
    let response = respond(router, &Method::TRACE, path, &Ask::default()).await;
    let allowed = response.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    let allowed: Vec<Method> =
        allowed.unwrap_or("GET, POST").split(',').filter_map(|method| method.trim().parse().ok()).collect();
    allowed.into_iter().filter(|method| method != Method::HEAD).collect()
}

/// `application/x-www-form-urlencoded`.
fn encoded(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// `unreserved` stands as it is (RFC 3986 §2.3), everything else as octets.
fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in_every_combination_and_wildcards_too() {
        assert_eq!(filled("/items"), ["/items"]);
        let uuid = FILLINGS[1];
        assert_eq!(filled("/items/{id}/x"), ["/items/1/x".to_owned(), format!("/items/{uuid}/x"), "/items/a/x".into()]);
        let two = filled("/{user}/{*rest}");
        assert_eq!((two.len(), two[0].as_str(), two[1].as_str()), (9, "/1/1", &*format!("/{uuid}/1")));
        assert_eq!(two[3], format!("/1/{uuid}"));
        assert_eq!(filled("/{a}/{b}/{c}/{d}").len(), 27);
        assert_eq!(filled("/{a}/{b}/{c}/{d}")[26], "/a/a/a/a");
        assert_eq!(filled("/api/*"), [format!("/api{NOWHERE}")]);
    }

    #[tokio::test]
    async fn any_method_is_tried_as_two_unless_axum_tells_which_there_are() {
        use axum::routing::{any, delete};
        let router =
            axum::Router::new().route("/any", any(async || "")).route("/some", delete(async || "").get(async || ""));
        assert_eq!(methods(&router, "*", "/any").await, [Method::GET, Method::POST]);
        let some = methods(&router, "*", "/some").await;
        assert!(some.len() == 2 && some.contains(&Method::DELETE) && some.contains(&Method::GET), "{some:?}");
        assert_eq!(methods(&router, "DELETE", "/any").await, [Method::DELETE]);
    }
}
