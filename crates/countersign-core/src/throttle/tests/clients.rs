//! How guesses at the secrets of clients are slowed, and questions about tokens.

use std::sync::Mutex;

use super::*;

#[tokio::test]
async fn h5_a_client_that_has_proven_itself_is_not_slowed_by_what_strangers_do_at_its_source() {
    let rig = Rig::new();
    let backend = at("192.0.2.1");
    rig.throttle.client("web", backend, None).await.unwrap().settle(Outcome::Success);
    for user in 0..60 {
        let _ = rig.fail(&format!("user{user}"), backend).await;
    }
    assert!(rig.fail("another", backend).await.is_err(), "the source is closed");
    for _ in 0..100 {
        rig.throttle.client("web", backend, None).await.unwrap().settle(Outcome::Success);
    }
    assert!(rig.throttle.client("other", backend, None).await.is_err(), "who was never there waits with the rest");
}

#[tokio::test]
async fn h5_a_client_is_slowed_at_one_source_and_not_everywhere() {
    let rig = Rig::new();
    let fail = async |id: &str, source| match rig.throttle.client(id, source, None).await {
        Ok(attempt) => {
            attempt.settle(Outcome::Failure);
            Ok(())
        }
        Err(error) => Err(error),
    };
    for _ in 0..10 {
        fail("api", at("203.0.113.9")).await.unwrap();
    }
    let retry_after = Duration::from_secs(30);
    assert_eq!(fail("api", at("203.0.113.9")).await, Err(OAuthError::Throttled { retry_after }));
    fail("api", at("203.0.113.10")).await.unwrap();
    fail("other", at("203.0.113.9")).await.unwrap();
    for client in 0..39 {
        fail(&format!("client {client}"), at("203.0.113.9")).await.unwrap();
    }
    let retry_after = Duration::from_secs(12);
    assert_eq!(fail("one more", at("203.0.113.9")).await, Err(OAuthError::Throttled { retry_after }));
    assert_eq!(rig.fail("alice", at("203.0.113.9")).await, Err(12), "logins count with them");
    for _ in 0..100 {
        fail("api", Source::Unknown).await.unwrap();
    }
}

#[tokio::test]
async fn h5_that_secrets_are_not_counted_without_a_source_is_told_once() {
    let (quiet, rig) = (Rig::new(), Rig::new());
    let told = Told::default();
    // Where there is one log alone, a line that another test's thread comes to first is taken for one that nobody wants.
    let _beside = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let writer = told.clone();
    let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    quiet.throttle.client("api", at("203.0.113.9"), None).await.unwrap().settle(Outcome::Failure);
    assert_eq!(told.count("nobody knows"), 0);
    for _ in 0..3 {
        rig.throttle.client("api", Source::Unknown, None).await.unwrap().settle(Outcome::Failure);
        rig.fail("alice", Source::Unknown).await.unwrap();
    }
    assert_eq!(told.count("nobody knows where requests come from"), 1);
}

/// What was logged.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn count(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(words).count()
    }
}

impl std::io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn f10_a_client_asks_about_a_thousand_strange_tokens_at_once_and_then_fifty_a_second() {
    let rig = Rig::new();
    let ask = async |client: &str, outcome| {
        let attempt = rig.throttle.introspection(&ClientId::new(client), Source::Unknown).await;
        attempt.map(|attempt| attempt.settle(outcome)).is_ok()
    };
    let mut looked_at = 0;
    for _ in 0..10_000 {
        assert!(ask("other", Outcome::Success).await);
        looked_at += usize::from(ask("api", Outcome::Failure).await);
    }
    assert_eq!(looked_at, 1_000);
    rig.forward(1);
    looked_at = 0;
    for _ in 0..100 {
        looked_at += usize::from(ask("api", Outcome::Failure).await);
    }
    assert_eq!(looked_at, 50);
}
