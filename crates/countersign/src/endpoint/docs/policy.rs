//! What a page may do (Content Security Policy, level 3): nothing that is not named here.

use axum::http::Uri;
use serde_json::Value;

use super::viewer::Viewer;
use crate::issuer::is_loopback;

/// The policy of a page that may talk to `connect` beside its own origin.
///
/// Script comes in files of ours alone. Nothing is framed and no form is sent. Small images are `data:`.
pub(super) fn policy(viewer: Viewer, connect: &[String]) -> String {
    let connect: String = connect.iter().map(|origin| format!(" {origin}")).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'{}; img-src 'self' data:; connect-src 'self'{connect}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        viewer.inline_style()
    )
}

/// The origins to which the document's own security schemes send a login: of every absolute `tokenUrl`, `refreshUrl` and
/// `openIdConnectUrl` (OpenAPI 3.1 §4.8.27, §4.8.29). Only `https`, and `http` on this machine; anything else adds none.
pub(super) fn origins(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let mut found = Vec::new();
    for scheme in members(&document["components"]["securitySchemes"]) {
        let flows = members(&scheme["flows"]).flat_map(|flow| [&flow["tokenUrl"], &flow["refreshUrl"]]);
        for url in flows.chain([&scheme["openIdConnectUrl"]]) {
            if let Some(origin) = url.as_str().and_then(origin)
                && !found.contains(&origin)
            {
                found.push(origin);
            }
        }
    }
    found
}

/// Whether people log in elsewhere, in a window that the page opens and that comes back to it (RFC 6749 §4.1).
pub(super) fn opens_windows(document: &str) -> bool {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let mut schemes = members(&document["components"]["securitySchemes"]);
    schemes.any(|scheme| scheme["flows"]["authorizationCode"].is_object() || scheme["type"] == "openIdConnect")
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(serde_json::Map::values)
}

/// The origin of a URL, if a policy can name it: its grammar has letters, digits, hyphens and dots for a host
/// (CSP 3 §2.3.1), so an IPv6 address cannot be named, and nothing that would begin another directive.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?.to_ascii_lowercase(), uri.host()?.to_ascii_lowercase());
    let authority = uri.authority()?.as_str().to_ascii_lowercase();
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let port = uri.port_u16();
    let whole = authority == port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    let trusted = scheme == "https" || (scheme == "http" && is_loopback(&host));
    (named && whole && trusted).then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::{Viewer, origins, policy};

    fn of(schemes: &serde_json::Value) -> Vec<String> {
        origins(&serde_json::json!({ "components": { "securitySchemes": schemes } }).to_string())
    }

    #[test]
    fn a_page_may_talk_to_its_own_origin_and_to_those_that_are_named() {
        let policy = |connect: &[&str]| {
            let connect: Vec<_> = connect.iter().map(|&origin| origin.to_owned()).collect();
            policy(Viewer::SwaggerUi, &connect)
        };
        assert!(policy(&[]).contains("; connect-src 'self';"));
        let named = policy(&["https://a.example", "http://localhost:1"]);
        assert!(named.contains("; connect-src 'self' https://a.example http://localhost:1;"), "{named}");
    }

    #[test]
    fn origins_are_those_of_the_security_schemes_and_no_others() {
        let schemes = serde_json::json!({
            "a": { "type": "oauth2", "flows": {
                "password": { "tokenUrl": "token", "refreshUrl": "https://refresh.example/token" },
                "authorizationCode": { "authorizationUrl": "https://page.example/", "tokenUrl": "HTTPS://Login.example:8443/token" },
            } },
            "b": { "type": "openIdConnect", "openIdConnectUrl": "https://login.example:8443/.well-known/openid-configuration" },
            "c": { "type": "http", "scheme": "bearer", "description": "https://text.example" },
        });
        let mut found = of(&schemes);
        found.sort();
        assert_eq!(found, ["https://login.example:8443", "https://refresh.example"]);
        assert!(origins("{\"servers\":[{\"url\":\"https://server.example\"}]}").is_empty());
        assert!(origins("no document").is_empty());
    }

    #[test]
    fn a_malformed_or_readable_url_adds_nothing() {
        let token_url = |url: &str| of(&serde_json::json!({ "a": { "flows": { "password": { "tokenUrl": url } } } }));
        assert_eq!(token_url("http://127.0.0.1:8000/token"), ["http://127.0.0.1:8000"]);
        assert_eq!(token_url("http://localhost/token"), ["http://localhost"]);
        for bad in [
            "",
            "token",
            "/token",
            "//evil.example/token",
            "http://evil.example/token",
            "http://localhost.evil.example/",
            "javascript:alert(1)",
            "data:text/plain,x",
            "wss://evil.example",
            "https://",
            "https://*/",
            "https://*.example/",
            "https://a.example;script-src/",
            "https://a.example,b.example/",
            "https://a.example 'unsafe-inline'/",
            "https://user@a.example/",
            "https://a.example:99999/",
            "https://a.example:/",
            "https://a'example/",
            "https://[::1]/",
            "https://ä.example/",
        ] {
            assert!(token_url(bad).is_empty(), "{bad}: {:?}", token_url(bad));
        }
    }
}
