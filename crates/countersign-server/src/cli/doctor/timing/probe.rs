//! One login over HTTP, and what came back.

use std::time::{Duration, Instant};

use countersign::{
    Rng as _,
    core::clock::{System, random_id},
};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use super::kind::{Kind, Pass};
use crate::failure::Failure;

/// Longer than any login; only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many random bytes a password has.
const PASSWORD_BYTES: usize = 18;

/// What differs from answer to answer, and says nothing: the time, the name of the request, and how long is left to wait.
const NEVER_ALIKE: [HeaderName; 3] = [DATE, HeaderName::from_static("x-request-id"), RETRY_AFTER];

/// What an answer is made of, as far as it must be the same (ASVS 6.3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In the order of their names.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// Logs in, one login after the other, over one connection.
#[derive(Debug)]
pub(super) struct Prober {
    client: Client,
    url: String,
    /// Of all users there are.
    password: String,
    /// How many unknown names were used up.
    unknown: usize,
}

impl Prober {
    pub(super) fn new(server: &str, password: String) -> Result<Self, Failure> {
        let client = Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).tcp_nodelay(true);
        let client = client.timeout(PATIENCE).build()?;
        Ok(Self { client, url: format!("{server}/token"), password, unknown: 0 })
    }

    /// A login of this kind: how long it took, in nanoseconds, and what the answer was.
    pub(super) async fn probe(&mut self, kind: Kind, user: usize) -> Result<(f64, Answer), Failure> {
        let username = match kind {
            Kind::Unknown => {
                self.unknown += 1;
                kind.user(self.unknown)
            }
            _ => kind.user(user),
        };
        let wrong = random_password();
        let password = if kind.has_right_password() { &self.password } else { &wrong };
        let (status, measured) = self.login(&username, password).await?;
        let is_expected = match kind.pass() {
            Pass::Hashed => status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS,
            Pass::Throttled => status == StatusCode::TOO_MANY_REQUESTS,
        };
        if !is_expected {
            let name = kind.name();
            return Err(Failure::failed(format!("a login that should fail ({name}) was answered {}", status.as_u16())));
        }
        Ok(measured)
    }

    /// Guesses once at the password of this user, so that whoever comes next must wait.
    pub(super) async fn guess(&self, kind: Kind, user: usize) -> Result<(), Failure> {
        self.login(&kind.user(user), &random_password()).await.map(|_| ())
    }

    async fn login(&self, username: &str, password: &str) -> Result<(StatusCode, (f64, Answer)), Failure> {
        // Names and passwords are of letters that stand for themselves in a form.
        let form = format!("grant_type=password&username={username}&password={password}");
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self.client.post(&self.url).header(CONTENT_TYPE, form_type).body(form).build()?;
        let start = Instant::now();
        let answer = self.client.execute(request).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await?;
        let time = start.elapsed();
        let headers = headers.iter().filter(|(name, _)| !NEVER_ALIKE.contains(name));
        let mut headers: Vec<_> =
            headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect();
        headers.sort();
        Ok((status, (time.as_nanos() as f64, Answer { status: status.as_u16(), headers, body: body.to_vec() })))
    }
}

/// A password that nobody else has, as long as all others are.
pub(super) fn random_password() -> String {
    random_id::<PASSWORD_BYTES>(&System)
}

/// Where the order of the probes begins.
pub(super) fn seed() -> u64 {
    let mut bytes = [0; 8];
    System.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}
