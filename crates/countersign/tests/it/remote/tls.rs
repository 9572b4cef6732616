//! An issuer over TLS: believed for its certificate, and for nothing else.

use std::sync::Arc;

use axum::http::StatusCode;
use countersign::{Clock, OAuth2, StartError, core::clock::System, remote::RemoteBuilder};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::support::{AUDIENCE, Key, claims, request};
use crate::support::{answer, routes};

/// For `localhost`, until 2126, signed by itself; made by
/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost`
/// with `-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE`.
const CERTIFICATE: &str = include_str!("localhost.pem");
const CERTIFICATE_KEY: &str = include_str!("localhost-key.pem");

/// An issuer with this certificate, on a free port of this machine.
async fn issuer(key: &Key) -> u16 {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let private = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = format!("https://localhost:{port}");
    let metadata = json!({ "issuer": base, "jwks_uri": format!("{base}/keys") }).to_string();
    let keys = json!({ "keys": [key.jwk()] }).to_string();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            let body = if head.starts_with(b"GET /keys ") { &keys } else { &metadata };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            connection.write_all(answer.as_bytes()).await.unwrap();
            let _ = connection.shutdown().await;
        }
    });
    port
}

async fn status_of(issuer: &str, key: &Key, change: impl FnOnce(RemoteBuilder) -> RemoteBuilder) -> StatusCode {
    let now = System.now().seconds();
    let token = key.sign(&claims(|claims| {
        claims["iss"] = issuer.into();
        claims["iat"] = now.into();
        claims["exp"] = (now + 60).into();
    }));
    let oauth2 = change(OAuth2::remote(issuer).audience(AUDIENCE)).build().await.unwrap();
    let router = routes(oauth2.router()).finish().unwrap();
    answer(&router, request("/any", &token)).await.status
}

#[tokio::test]
async fn c23_an_issuer_is_believed_for_a_certificate_that_is_trusted_and_names_it() {
    let key = Key::new("first", 1);
    let port = issuer(&key).await;
    let (named, unnamed) = (format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}"));
    let trusting = |builder: RemoteBuilder| builder.trust_certificate(CERTIFICATE);
    assert_eq!(status_of(&named, &key, |builder| builder).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status_of(&unnamed, &key, trusting).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status_of(&named, &key, trusting).await, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_certificate_keeps_the_api_from_starting() {
    for pem in ["", "no certificate", CERTIFICATE_KEY] {
        let built = OAuth2::remote("https://localhost").audience(AUDIENCE).trust_certificate(pem).build().await;
        assert!(matches!(built, Err(StartError::Certificates(_))), "{pem}");
    }
}
