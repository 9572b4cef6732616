//! A store that fails: the answer is 503, never a wrong one, and the process goes on.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    Argon2Cost, HashingSettings, Memory, OwnerStatus, PasswordHash, ResourceOwners, StoreError, TokenFormat, Username,
    core::store::{Grants, OwnerRegistry},
};

use crate::{
    store::AnyStore,
    support::{ISSUER, NOW, SECRET, TestApp, basic, form},
};

/// A store whose n-th call from now fails; the causes it names must reach no client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty {
    pub(crate) store: Arc<Memory>,
    until_fault: Arc<AtomicUsize>,
    change: Arc<Mutex<Option<Change>>>,
    after_read: Arc<Mutex<Option<Change>>>,
}

/// What happens before the n-th call from now.
struct Change {
    call: usize,
    happen: Box<dyn Fn() + Send>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "before call {}", self.call)
    }
}

impl Faulty {
    pub(crate) fn fail_at(&self, call: usize) {
        self.until_fault.store(call, Ordering::SeqCst);
    }

    pub(crate) fn calls_until_fault(&self) -> usize {
        self.until_fault.load(Ordering::SeqCst)
    }

    /// Whether the fault is still to come.
    pub(crate) fn is_to_fail(&self) -> bool {
        self.until_fault.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn before(&self, call: usize, happen: impl Fn() + Send + 'static) {
        *self.change.lock().unwrap() = Some(Change { call, happen: Box::new(happen) });
    }

    /// What happens between the next call's answer and its arrival.
    pub(crate) fn after_next(&self, happen: impl Fn() + Send + 'static) {
        *self.after_read.lock().unwrap() = Some(Change { call: 1, happen: Box::new(happen) });
    }

    /// The store that does not fail.
    pub(crate) fn memory(&self) -> Arc<Memory> {
        self.store.clone()
    }

    fn step(&self) -> Result<&Memory, StoreError> {
        if let Some(change) = self.change.lock().unwrap().as_mut() {
            change.call = change.call.wrapping_sub(1);
            if change.call == 0 {
                (change.happen)();
            }
        }
        let before = self.until_fault.load(Ordering::SeqCst);
        self.until_fault.store(before.saturating_sub(1), Ordering::SeqCst);
        if before == 1 { Err(StoreError::unavailable("SELECT canary FROM /var/lib/app.db")) } else { Ok(&self.store) }
    }
}

macro_rules! faulty {
    ($($port:ident {
        $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*
        $(plain $($default:tt)*)?
    })*) => {$(
        #[countersign::async_trait]
        impl $port for Faulty {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                // It runs beside the requests, and is no call of theirs.
                if stringify!($method) == "sweep" {
                    return self.store.$method($($name),*).await;
                }
                let after = self.after_read.lock().unwrap().take();
                let answer = self.step()?.$method($($name),*).await;
                if let Some(after) = after {
                    (after.happen)();
                }
                answer
            })*
        }
    )*};
}

countersign::core::for_each_port!(faulty);

#[tokio::test]
async fn l6_a_fault_at_any_call_of_the_store_is_a_503_that_tells_nothing() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder.remembered_users(0)).await;
    let login = "username=alice&password=correct+horse";
    let mut refused = 0;
    for call in 1.. {
        store.fail_at(call);
        let answer = app.post_token(login).await;
        if store.until_fault.load(Ordering::SeqCst) > 0 {
            assert_eq!(answer.status, StatusCode::OK, "nothing failed");
            store.fail_at(0);
            break;
        }
        if answer.status == StatusCode::OK {
            continue; // What goes by itself failed, which is nobody's concern.
        }
        refused += 1;
        let answer = answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(!answer.body.contains("canary") && !answer.body.contains("SELECT"), "{}", answer.body);
        app.post_token(login).await.expect(StatusCode::OK);
    }
    assert!(refused >= 3, "name, subject and grant are asked for: {refused}");

    let token = app.token("me").await;
    for path in ["/user", "/users/me", "/optional"] {
        store.fail_at(1);
        let answer = app.get_as(path, &token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(answer.headers.get("www-authenticate").is_none() && !answer.body.contains("canary"));
        app.get_as(path, &token).await.expect(StatusCode::OK);
    }
    store.fail_at(1);
    app.get_as("/any", &token).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn f6_no_fault_of_the_store_makes_a_token_active_or_inactive_or_the_feed_empty() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder.token_format(format)).await;
        app.put_api("items", &[ISSUER]).await;
        let login = format!("username=alice&password=correct+horse&client_id=items&client_secret={SECRET}");
        let tokens = app.post_token(&login).await.json();
        let feed = || Request::get("/feed?after=7").body(Body::empty()).unwrap();
        let introspect = |name: &str| form("/introspect", &format!("token={}", tokens[name].as_str().unwrap()));
        // The client, an opaque token itself, the feed, and the owner, who is remembered from then on.
        let access = if format == TokenFormat::Jwt { 3 } else { 4 };
        for (what, calls) in [("access_token", access), ("refresh_token", 3), ("feed", 3)] {
            for call in 1.. {
                store.fail_at(call);
                let mut request = if what == "feed" { feed() } else { introspect(what) };
                request.headers_mut().insert(header::AUTHORIZATION, basic("items", SECRET).parse().unwrap());
                let answer = app.send(request).await;
                if store.until_fault.load(Ordering::SeqCst) > 0 {
                    let body = answer.expect(StatusCode::OK).json();
                    assert!(what == "feed" || body["active"] == true, "{body}");
                    assert!(call > calls, "{what}: {call}");
                    break;
                }
                let answer = answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
                assert_eq!(answer.header("retry-after"), "1");
                assert!(!answer.body.contains("canary"), "{}", answer.body);
            }
            store.fail_at(0);
        }
    }
}

#[tokio::test]
async fn a_store_that_is_away_keeps_an_api_from_starting() {
    for call in 1..=2 {
        let store = Faulty::default();
        store.fail_at(call);
        let built = countersign::OAuth2::new(store).build().await;
        assert!(matches!(built, Err(countersign::StartError::Keys(_))), "{built:?}");
    }
}

/// One thread, no queue: whoever comes second is told to come again. Over memory: all come at once.
#[tokio::test]
async fn m2_a_full_queue_is_a_503_with_a_time_to_wait() {
    let app = TestApp::with(AnyStore::memory(), |builder| {
        // What nobody is faster than with two hundred logins.
        let mut hashing = HashingSettings { cost: Argon2Cost::OWASP, ..crate::support::cheap_hashing() };
        hashing.queue = 2;
        builder.hashing(hashing)
    })
    .await;
    let app = Arc::new(app);
    let logins: Vec<_> = (0..200)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.post_token("username=alice&password=correct+horse").await })
        })
        .collect();
    let mut busy = 0;
    for login in logins {
        let answer = login.await.unwrap();
        if answer.status != StatusCode::OK {
            let answer = answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            busy += 1;
        }
    }
    assert!(busy > 0, "the queue is bounded");
}

#[tokio::test]
async fn f6_a_revocation_that_was_not_heard_is_heard_before_it_is_acknowledged() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let login = app.post_token("username=alice&password=correct+horse").await.expect(StatusCode::OK).json();
    let text = |name: &str| login[name].as_str().unwrap().to_owned();
    let revoke = || crate::support::form("/revoke", &format!("token={}", text("refresh_token")));
    // The grant, its end; then the feed.
    store.fail_at(3);
    app.send(revoke()).await.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    app.send(revoke()).await.expect(StatusCode::OK);
    app.get_as("/any", &text("access_token")).await.expect_invalid_token();
}

/// Owners who change while a login is under way: at the second look-up, after which nobody looks again but the store.
#[tokio::test]
async fn a18_a_login_under_way_gets_nothing_once_its_owner_changed() {
    for change in ["disable", "remove", "password"] {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder).await;
        let alice = store.store.find_by_username(&Username::parse("alice").unwrap()).await.unwrap().unwrap();
        // Name, subject; then the grant is recorded.
        let (memory, subject) = (store.store.clone(), alice.subject.clone());
        store.before(3, move || {
            let (memory, subject) = (memory.clone(), subject.clone());
            run(async move {
                match change {
                    "disable" => memory.set_status(&subject, OwnerStatus::Disabled, NOW).await.map(drop),
                    "remove" => memory.remove_owner(&subject, NOW).await.map(drop),
                    _ => memory.set_password(&subject, &PasswordHash::new("another"), NOW).await.map(drop),
                }
            })
            .unwrap();
        });
        let answer = app.post_token("username=alice&password=correct+horse").await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        let left = store.store.list_grants(&alice.subject, None, 10).await.unwrap();
        assert!(left.is_empty(), "no grant was left behind: {change}");
    }
}

/// Runs a future that never waits, as those of the store in memory.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
