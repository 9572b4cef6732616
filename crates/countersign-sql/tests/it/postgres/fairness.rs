//! Who ends something gets there, however many are busy with what is to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    client::{Authentication, Client, ClientSecret, ClientSecrets, ClientStatus, SecretMethods},
    grant_record::{Grant, Refresh},
    names::{ClientId, GrantId},
    resource_owner::{OwnerStatus, ResourceOwners as _, Upgraded},
    store::{
        Added, Clients as _, Feed as _, Found, Grants as _, HandleHash, OpaqueToken, Origin, OwnerRegistry as _,
        Redeemed, Rotated, Standing, StoreError,
    },
};
use countersign_sql::Postgres;
use tokio::{task::JoinSet, time::timeout};

use super::Server;
use crate::support::{NOW, grant, owner};

/// How many are at it at once over each handle: more than it has connections.
const HAMMERING: usize = 12;

/// What a test may wait for: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often each may do its own before what ends it has happened.
const MOST_MEANWHILE: usize = 2_000;

const ENDINGS: usize = 20;

/// Those who do something without end, over two handles.
struct Hammering {
    stop: Arc<AtomicBool>,
    done: Arc<Vec<AtomicUsize>>,
    tasks: JoinSet<()>,
}

impl Hammering {
    /// Begins with what `does` something once, given which it is, by a number of its own.
    async fn begin<Done>(server: &Server, does: impl Fn(Postgres, String) -> Done + Send + Clone + 'static) -> Self
    where
        Done: Future<Output = Result<(), StoreError>> + Send,
    {
        let handles = [server.store.clone(), Postgres::open(&server.url).await.unwrap()];
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        let done: Arc<Vec<_>> = Arc::new((0..2 * HAMMERING).map(|_| AtomicUsize::new(0)).collect());
        for task in 0..2 * HAMMERING {
            let (store, stop, done, does) = (handles[task % 2].clone(), stop.clone(), done.clone(), does.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = format!("{task} {}", done[task].load(Ordering::Relaxed));
                    // It may find no connection free: it tries again, as they do.
                    match does(store.clone(), number).await {
                        Ok(()) | Err(StoreError::Unavailable(_)) => {}
                        wrong => panic!("{wrong:?}"),
                    }
                    done[task].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let hammering = Self { stop, done, tasks };
        let all_began = async {
            while hammering.least_since(&[0; 2 * HAMMERING]) < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, all_began).await.unwrap();
        hammering
    }

    fn counts(&self) -> Vec<usize> {
        self.done.iter().map(|done| done.load(Ordering::Relaxed)).collect()
    }

    /// How often each has done its own since, at least.
    fn least_since(&self, before: &[usize]) -> usize {
        self.counts().iter().zip(before).map(|(now, before)| now - before).min().unwrap()
    }

    /// What comes of what must happen before all have done their own so often.
    async fn meanwhile<T>(&self, happens: impl Future<Output = T>) -> T {
        let before = self.counts();
        let too_often = async {
            while self.least_since(&before) < MOST_MEANWHILE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            happened = timeout(PATIENCE, happens) => happened.unwrap(),
            () = too_often => panic!("each has done its own {MOST_MEANWHILE} times more, and it has not happened"),
        }
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_who_logs_in_without_end_holds_off_nobody_who_ends_it() {
    let server = Server::new().await;
    let secrets = ClientSecrets::of(&ClientSecret::new("a secret"));
    let authentication = Authentication::Secret { methods: SecretMethods::Basic, secrets: secrets.clone() };
    let (alice, app) = (owner("alice"), Client::new(ClientId::new("app"), authentication, NOW));
    assert_eq!(server.store.add_owner(&alice).await.unwrap(), Added::Yes);
    assert_eq!(server.store.add_client(&app).await.unwrap(), Added::Yes);
    let hash = alice.password_hash.clone().unwrap();
    let (subject, client, standing) = (alice.subject.clone(), app.id.clone(), Standing::ActiveWith(hash.clone()));
    let hammering = Hammering::begin(&server, move |store, id| {
        let grant = Grant { subject: subject.clone(), client_id: client.clone(), ..grant(&id) };
        let standing = standing.clone();
        async move { store.redeem(&standing, None, &grant, None).await.map(drop) }
    })
    .await;
    // It waits for no connection.
    let ender = Postgres::open(&server.url).await.unwrap();
    let ended = |found: Result<Found, StoreError>| assert_eq!(found.unwrap(), Found::Yes);
    for _ in 0..ENDINGS {
        for status in [ClientStatus::Disabled, ClientStatus::Active] {
            ended(hammering.meanwhile(ender.set_client_status(&app.id, status, NOW)).await);
        }
        for status in [OwnerStatus::Disabled, OwnerStatus::Active] {
            ended(hammering.meanwhile(ender.set_status(&alice.subject, status, NOW)).await);
        }
        ended(hammering.meanwhile(ender.set_password(&alice.subject, &hash, NOW)).await);
        ended(hammering.meanwhile(ender.change_password(&alice.subject, &hash, &hash, NOW)).await);
        let upgraded = hammering.meanwhile(ender.upgrade_password(&alice.subject, &hash, &hash)).await;
        assert_eq!(upgraded.unwrap(), Upgraded::Yes);
        let rotated = hammering.meanwhile(ender.rotate_client_secrets(&app.id, &secrets, &secrets)).await;
        assert_eq!(rotated.unwrap(), Rotated::Yes);
    }
    ended(hammering.meanwhile(ender.remove_client(&app.id, NOW)).await);
    ended(hammering.meanwhile(ender.remove_owner(&alice.subject, NOW)).await);
    hammering.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_who_gets_tokens_without_end_holds_off_nobody_who_ends_the_login() {
    let server = Server::new().await;
    let login = grant("login");
    server.store.redeem(&Standing::Elsewhere, None, &login, None).await.unwrap();
    let hammering = Hammering::begin(&server, |store, handle| {
        let token = OpaqueToken {
            handle: HandleHash::of(&handle),
            descends_from: Origin::Grant(GrantId::new("login")),
            claims: "{}".to_owned(),
            expires_at: NOW,
        };
        async move { store.put_opaque_token(&token).await.map(drop) }
    })
    .await;
    let ender = Postgres::open(&server.url).await.unwrap();
    for _ in 0..ENDINGS {
        assert_eq!(hammering.meanwhile(ender.revoke_grant(&login.id)).await.unwrap(), Found::Yes);
        ender.redeem(&Standing::Elsewhere, None, &login, None).await.unwrap();
        assert_eq!(hammering.meanwhile(ender.revoke_grants_of(&login.subject, NOW)).await.unwrap(), 1);
        ender.redeem(&Standing::Elsewhere, None, &login, None).await.unwrap();
    }
    hammering.end().await;
}

/// More than two parts of them.
const MANY: usize = 7_000;

/// How many may wait for what one client got: of ten connections seven, and one for tokens beside a grant.
const WAITING: usize = 8;

/// The refresh token that each of the many grants has, before and after it is renewed.
fn refresh_token() -> HandleHash {
    HandleHash::from_bytes([7; 32])
}

/// The last of the many that it ends.
fn last() -> String {
    format!("grant {}", 100_000 + MANY)
}

/// Of two clients, the first of which has many grants.
async fn with_many() -> Server {
    let server = Server::new().await;
    for id in ["app", "page"] {
        let client = Client::new(ClientId::new(id), Authentication::None, NOW);
        assert_eq!(server.store.add_client(&client).await.unwrap(), Added::Yes);
    }
    server
        .run(&format!(
            "INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until, \
            refresh_family, refresh_current, refresh_expires_at) SELECT 'grant ' || (100000 + i), 's', 'app', '', 1, 9, 1, 9, \
            token, token, 9 FROM generate_series(1, {MANY}) AS i, decode(repeat('07', 32), 'hex') AS token"
        ))
        .await;
    server
}

/// Does to the last of the many what waits for it, each in another way.
async fn renew(store: &Postgres, task: usize, number: usize) -> Result<(), StoreError> {
    let refresh = Refresh { family: refresh_token(), current: refresh_token(), expires_at: NOW, retired: Vec::new() };
    let renewed = Grant { client_id: ClientId::new("app"), refresh: Some(refresh), ..grant(&last()) };
    let token = OpaqueToken {
        handle: HandleHash::of(&format!("{task} {number}")),
        descends_from: Origin::Grant(renewed.id.clone()),
        claims: "{}".to_owned(),
        expires_at: NOW,
    };
    match task % 3 {
        0 => store.put_opaque_token(&token).await.map(drop),
        1 => store.rotate_refresh(&refresh_token(), &renewed, Some(&token)).await.map(drop),
        _ => store.rotate_refresh(&refresh_token(), &renewed, None).await.map(drop),
    }
}

/// Others log in, and what has ended is heard, over the same connections.
async fn others_go_on(store: &Postgres) {
    for number in 0..ENDINGS {
        let login = Grant { client_id: ClientId::new("page"), ..grant(&format!("of page {number}")) };
        assert_eq!(store.redeem(&Standing::Elsewhere, None, &login, None).await.unwrap(), Redeemed::Whole);
        store.find_feed(0, 10).await.unwrap();
        assert!(store.find_grant(&login.id).await.unwrap().is_some());
    }
}

/// Those who do something without end over one handle.
fn hammer(store: &Postgres) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for task in 0..4 * HAMMERING {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0.. {
                // Who waited for too long comes again.
                match renew(&store, task, number).await {
                    Ok(()) | Err(StoreError::Unavailable(_)) => {}
                    wrong => panic!("{wrong:?}"),
                }
            }
        });
    }
    tasks
}

/// Returns as soon as as many wait as may.
async fn until_all_wait(server: &Server) {
    let waiting = format!(
        "SELECT CAST(count(*) >= {WAITING} AS INTEGER)::BIGINT FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
    );
    server.until(&waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_rows_that_somebody_keeps_locked_keep_nobody_from_others() {
    let server = with_many().await;
    server.run("BEGIN; SELECT FROM oauth2_grants WHERE client_id = 'app' FOR UPDATE").await;
    let hammering = hammer(&server.store);
    until_all_wait(&server).await;
    timeout(PATIENCE, others_go_on(&server.store)).await.unwrap();
    server.run("COMMIT").await;
    drop(hammering);
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_a_client_is_off_before_all_it_got_has_ended_and_others_go_on_meanwhile() {
    let server = with_many().await;
    let (app, store) = (ClientId::new("app"), server.store.clone());
    // Whoever ends it gets no further than this one.
    server.run(&format!("BEGIN; SELECT FROM oauth2_grants WHERE id = '{}' FOR UPDATE", last())).await;
    let hammering = hammer(&store);
    let disable = || {
        let (store, app) = (server.store.clone(), app.clone());
        async move { store.set_client_status(&app, ClientStatus::Disabled, NOW).await }
    };
    let disabling = tokio::spawn(disable());
    let is_off = async {
        while store.find_client(&app).await.unwrap().unwrap().is_active() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_off).await.unwrap();
    timeout(PATIENCE, others_go_on(&store)).await.unwrap();
    // What was under way as it was disabled, and comes before all of it has ended.
    let late = Grant { client_id: app.clone(), ..grant("late") };
    let login = tokio::spawn({
        let store = Postgres::open(&server.url).await.unwrap();
        async move {
            loop {
                // It may have to wait for who ends a part, and for too long.
                match store.redeem(&Standing::Elsewhere, None, &late, None).await {
                    Err(StoreError::Unavailable(_)) => {}
                    redeemed => break redeemed.unwrap(),
                }
            }
        }
    });
    server.run("COMMIT").await;
    assert_eq!(timeout(PATIENCE, login).await.unwrap().unwrap(), Redeemed::OwnerChanged);
    drop(hammering);
    // It may have waited for too long; then it is said again.
    if let Err(waited) = disabling.await.unwrap() {
        assert!(matches!(waited, StoreError::Unavailable(_)), "{waited:?}");
        assert_eq!(disable().await.unwrap(), Found::Yes);
    }
    assert_eq!(server.count("SELECT count(*) FROM oauth2_grants WHERE client_id = 'app'").await, 0);
}
