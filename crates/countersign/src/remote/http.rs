//! The real port to the issuer: HTTP over TLS, by `reqwest` and `rustls`.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{
    Certificate, Client, RequestBuilder, Response,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};

use super::{
    fetch::{BasicAuthorization, Fetch, FetchError, Fetched, lifetime_of},
    kept::PATIENCE,
};
use crate::start_error::StartError;

/// Who asks, as issuers see it in their logs.
const USER_AGENT: &str = "countersign";

/// Speaks HTTP to the issuer: no redirects, no cookies, no compression, 5 seconds for all of it but feeds.
///
/// Proxies named by the environment are not used: whoever can set a variable should not stand between an API and those
/// who vouch for its users.
#[derive(Debug)]
pub(super) struct Http(Client);

impl Http {
    /// Trusts the certificates of the operating system, and `more`, in PEM.
    pub(super) fn new(more: &[Vec<u8>]) -> Result<Self, StartError> {
        let failed = |error: reqwest::Error| StartError::Certificates(error.into());
        let mut certificates = Vec::new();
        for pem in more {
            let read = Certificate::from_pem_bundle(pem).map_err(failed)?;
            if read.is_empty() {
                return Err(StartError::Certificates("there is no certificate in the PEM text".into()));
            }
            certificates.extend(read);
        }
        let client = Client::builder()
            .tls_backend_rustls()
            .tls_certs_merge(certificates)
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .user_agent(USER_AGENT)
            .build();
        client.map(Self).map_err(failed)
    }
}

#[async_trait]
impl Fetch for Http {
    async fn get(&self, url: &str, most: usize) -> Result<Fetched, FetchError> {
        send(self.0.get(url), most).await
    }

    async fn get_as(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        most: usize,
        patience: Duration,
    ) -> Result<Fetched, FetchError> {
        let request = self.0.get(url).header(AUTHORIZATION, header_of(authorization)?).timeout(patience);
        send(request, most).await
    }

    async fn post_form(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        body: &str,
        most: usize,
    ) -> Result<Fetched, FetchError> {
        let request = self
            .0
            .post(url)
            .header(AUTHORIZATION, header_of(authorization)?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.to_owned());
        send(request, most).await
    }
}

fn header_of(authorization: &BasicAuthorization) -> Result<HeaderValue, FetchError> {
    let mut value =
        HeaderValue::from_str(authorization.secret()).map_err(|error| FetchError::Unavailable(error.into()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn send(request: RequestBuilder, most: usize) -> Result<Fetched, FetchError> {
    let answer = request.header(ACCEPT, "application/json").send().await.map_err(unavailable)?;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned();
    let lifetime = lifetime_of(header(CACHE_CONTROL));
    let status = answer.status().as_u16();
    Ok(Fetched { status, media_type, lifetime, body: read(answer, most).await? })
}

/// Reads piece by piece, and stops where it is too much: what the other says of the length is no promise.
async fn read(mut answer: Response, most: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(unavailable)? {
        if body.len() + piece.len() > most {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn unavailable(error: reqwest::Error) -> FetchError {
    FetchError::Unavailable(error.into())
}
