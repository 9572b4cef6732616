//! N11: what happens between a look and a commit. The other transaction is the test's own, so that the order is forced.

use std::{collections::HashSet, time::Duration};

use countersign_core::{
    client::{Authentication, Client, ClientStatus},
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    resource_owner::OwnerStatus,
    store::{
        Added, Clients as _, Ended, Feed as _, Found, Grants as _, HandleHash, LONGEST_ACCESS_TOKEN, OpaqueToken,
        Origin, OwnerRegistry as _, Redeemed, SWEEP_MARGIN, Standing, StoreError,
    },
};
use countersign_sql::Postgres;

use super::Server;
use crate::support::{NOW, grant, owner};

fn of(subject: &Subject, client: &ClientId, id: &str) -> Grant {
    Grant { subject: subject.clone(), client_id: client.clone(), ..grant(id) }
}

/// As another transaction records it.
const INSERT_GRANT: &str = "INSERT INTO oauth2_grants \
    (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) VALUES ";

fn opaque(handle: &str, origin: Origin) -> OpaqueToken {
    OpaqueToken {
        handle: HandleHash::of(handle),
        descends_from: origin,
        claims: "{}".to_owned(),
        expires_at: NOW.plus(Duration::from_secs(60)),
    }
}

async fn told(store: &Postgres) -> Vec<(Ended, Timestamp)> {
    store.find_feed(0, 99).await.unwrap().into_iter().map(|entry| (entry.ended, entry.until)).collect()
}

/// What `waits` answers that had to wait until the test's transaction committed.
async fn after_commit<T: Send + 'static>(server: &Server, waits: impl Future<Output = T> + Send + 'static) -> T {
    let waiting = tokio::spawn(waits);
    server.until_somebody_waits().await;
    server.run("COMMIT").await;
    waiting.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_a_login_gets_no_grant_if_the_owner_changes_before_it_is_recorded() {
    let server = Server::new().await;
    let (alice, client) = (owner("alice"), ClientId::new(Client::BUILT_IN_ID));
    let hash = alice.password_hash.clone().unwrap();
    server.store.add_owner(&alice).await.unwrap();
    for change in [
        "UPDATE oauth2_owners SET status = 'disabled'",
        "UPDATE oauth2_owners SET password_hash = 'another'",
        "DELETE FROM oauth2_owners",
    ] {
        server.run("UPDATE oauth2_owners SET status = 'active', password_hash = 'a hash'").await;
        server.run(&format!("BEGIN; {change}")).await;
        let (store, standing) = (server.store.clone(), Standing::ActiveWith(hash.clone()));
        let grant = of(&alice.subject, &client, change);
        let login = async move { store.redeem(&standing, None, &grant, None).await.unwrap() };
        assert_eq!(after_commit(&server, login).await, Redeemed::OwnerChanged, "{change}");
        assert_eq!(server.count("SELECT count(*) FROM oauth2_grants").await, 0, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_whoever_ends_an_owner_waits_for_a_login_in_flight_and_ends_its_grant() {
    let server = Server::new().await;
    let alice = owner("alice");
    server.store.add_owner(&alice).await.unwrap();
    server.run("BEGIN; SELECT FROM oauth2_owners FOR SHARE").await;
    let (subject, until) = (alice.subject.as_str(), NOW.seconds());
    server.run(&format!("{INSERT_GRANT} ('g', '{subject}', 'countersign', '', 1, 9, 1, {until})")).await;
    let store = server.store.clone();
    let subject = alice.subject.clone();
    let disable = async move { store.set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap() };
    assert_eq!(after_commit(&server, disable).await, Found::Yes);
    assert_eq!(server.count("SELECT count(*) FROM oauth2_grants").await, 0);
    assert_eq!(told(&server.store).await[0], (Ended::Grant(GrantId::new("g")), NOW));
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_nothing_is_granted_to_a_client_that_is_disabled_before_it_is_recorded() {
    let server = Server::new().await;
    let client = Client::new(ClientId::new("app"), Authentication::None, NOW);
    assert_eq!(server.store.add_client(&client).await.unwrap(), Added::Yes);
    let disable = "BEGIN; UPDATE oauth2_clients SET status = 'disabled'";
    server.run(disable).await;
    let (store, grant) = (server.store.clone(), of(&Subject::new("elsewhere"), &client.id, "g"));
    let login = async move { store.redeem(&Standing::Elsewhere, None, &grant, None).await.unwrap() };
    assert_eq!(after_commit(&server, login).await, Redeemed::OwnerChanged);
    server.store.set_client_status(&client.id, ClientStatus::Active, NOW).await.unwrap();
    server.run(disable).await;
    let (store, token) = (server.store.clone(), opaque("own", Origin::Client(client.id.clone())));
    let put = async move { store.put_opaque_token(&token).await.unwrap() };
    assert_eq!(after_commit(&server, put).await, Found::No);
    // And the other way round: what was in flight ends with the client.
    server.store.set_client_status(&client.id, ClientStatus::Active, NOW).await.unwrap();
    server
        .run(&format!("BEGIN; SELECT FROM oauth2_clients FOR SHARE; {INSERT_GRANT} ('h', 's', 'app', '', 1, 9, 1, 7)"))
        .await;
    let (store, id) = (server.store.clone(), client.id.clone());
    let disable = async move { store.set_client_status(&id, ClientStatus::Disabled, NOW).await.unwrap() };
    assert_eq!(after_commit(&server, disable).await, Found::Yes);
    assert_eq!(server.count("SELECT count(*) FROM oauth2_grants").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_a_client_is_off_and_all_else_ends_while_others_hold_some_of_what_it_got() {
    let server = Server::new().await;
    let client = Client::new(ClientId::new("app"), Authentication::None, NOW);
    server.store.add_client(&client).await.unwrap();
    for id in ["free", "held", "held too"] {
        let granted = of(&Subject::new("elsewhere"), &client.id, id);
        let token = opaque(id, Origin::Grant(granted.id.clone()));
        server.store.redeem(&Standing::Elsewhere, None, &granted, Some(&token)).await.unwrap();
    }
    let used_at = NOW.plus(Duration::from_secs(1));
    server.run(&format!("BEGIN; UPDATE oauth2_grants SET used_at = {} WHERE id <> 'free'", used_at.seconds())).await;
    let (store, id) = (server.store.clone(), client.id.clone());
    let disable = async move { store.set_client_status(&id, ClientStatus::Disabled, NOW).await.unwrap() };
    let disabling = tokio::spawn(disable);
    server.until("SELECT count(*) FROM oauth2_clients WHERE status = 'disabled'").await;
    server
        .until("SELECT count(*) FROM (SELECT) AS once WHERE NOT EXISTS (SELECT FROM oauth2_grants WHERE id = 'free')")
        .await;
    server.until_somebody_waits().await;
    let cut = |up_to: Timestamp| (Ended::Client(client.id.clone(), up_to), up_to.plus(LONGEST_ACCESS_TOKEN));
    assert_eq!(told(&server.store).await, [cut(NOW)]);
    assert_eq!(server.count("SELECT count(*) FROM oauth2_opaque_tokens").await, 2, "of those that are held");
    assert_eq!(after_commit(&server, async { disabling.await.unwrap() }).await, Found::Yes);
    for table in ["grants", "opaque_tokens"] {
        assert_eq!(server.count(&format!("SELECT count(*) FROM oauth2_{table}")).await, 0, "{table}");
    }
    assert_eq!(told(&server.store).await, [cut(NOW), cut(used_at)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_no_token_outlives_a_grant_that_ends_while_it_is_put() {
    let server = Server::new().await;
    for id in ["first", "second"] {
        server.store.redeem(&Standing::Elsewhere, None, &grant(id), None).await.unwrap();
    }
    server.run("BEGIN; DELETE FROM oauth2_grants WHERE id = 'first'").await;
    let (store, token) = (server.store.clone(), opaque("late", Origin::Grant(GrantId::new("first"))));
    let put = async move { store.put_opaque_token(&token).await.unwrap() };
    assert_eq!(after_commit(&server, put).await, Found::No);

    server.run("BEGIN; SELECT FROM oauth2_grants WHERE id = 'second' FOR SHARE").await;
    server
        .run("INSERT INTO oauth2_opaque_tokens (handle, grant_id, claims, expires_at) VALUES ('', 'second', '', 9)")
        .await;
    let store = server.store.clone();
    let revoke = async move { store.revoke_grant(&GrantId::new("second")).await.unwrap() };
    assert_eq!(after_commit(&server, revoke).await, Found::Yes);
    assert_eq!(server.count("SELECT count(*) FROM oauth2_opaque_tokens").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn n11_the_feed_tells_of_a_grant_as_the_last_renewal_left_it() {
    let server = Server::new().await;
    server.store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    let renewed = NOW.plus(Duration::from_secs(1800));
    server.run(&format!("BEGIN; UPDATE oauth2_grants SET access_until = {}", renewed.seconds())).await;
    let store = server.store.clone();
    let revoke = async move { store.revoke_grants_of(&Subject::new("elsewhere"), NOW).await.unwrap() };
    assert_eq!(after_commit(&server, revoke).await, 1);
    assert_eq!(told(&server.store).await, [(Ended::Grant(GrantId::new("g")), renewed)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_the_feed_become_visible_in_their_order() {
    let server = Server::new().await;
    server.run("BEGIN; SELECT FROM oauth2_locks WHERE name = 'feed' FOR UPDATE").await;
    server.run("INSERT INTO oauth2_feed (kind, name, until) VALUES ('token', 'first', 1)").await;
    let second = Ended::Token("second".to_owned());
    let (store, ended) = (server.store.clone(), second.clone());
    let append = async move { store.append_feed(&ended, NOW).await.unwrap() };
    let appending = tokio::spawn(append);
    server.until_somebody_waits().await;
    assert_eq!(server.store.find_feed(0, 9).await.unwrap(), [], "the later one is not there before the earlier one is");
    server.run("COMMIT").await;
    appending.await.unwrap();
    let told = server.store.find_feed(0, 9).await.unwrap();
    assert_eq!(told.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(told[1].ended, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_by_number_misses_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let server = Server::new().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Postgres::open(&server.url).await.unwrap();
        writers.spawn(async move {
            for i in 0..EACH {
                let ended = Ended::Token(format!("{writer} {i}"));
                // On a slow machine one waits for longer than any may; it may be there all the same, and then twice.
                while store.append_feed(&ended, NOW).await.is_err() {}
            }
        });
    }
    let (mut last, mut heard) = (0, HashSet::new());
    while heard.len() < WRITERS * EACH {
        let all_written = writers.is_empty();
        let Ok(news) = server.store.find_feed(last, 10).await else { continue };
        last = news.last().map_or(last, |entry| entry.number);
        assert!(!(all_written && news.is_empty()), "{} of {} were heard", heard.len(), WRITERS * EACH);
        heard.extend(news.into_iter().map(|entry| format!("{:?}", entry.ended)));
        while writers.try_join_next().is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_leaves_what_is_being_renewed_and_waits_for_nobody() {
    let server = Server::new().await;
    server.store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    let end = grant("g").expires_at().plus(SWEEP_MARGIN);
    server.run(&format!("BEGIN; UPDATE oauth2_grants SET expires_at = {}", end.seconds())).await;
    assert_eq!(server.store.sweep(end, Duration::ZERO, 9).await.unwrap(), 0);
    server.run("COMMIT").await;
    assert_eq!(server.store.sweep(end, Duration::ZERO, 9).await.unwrap(), 0, "it lives longer now");
    assert!(server.store.find_grant(&GrantId::new("g")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_the_database_undoes_for_another_is_tried_again() {
    let server = Server::new().await;
    server.store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    server.run("SET deadlock_timeout = '1min'").await;
    let mut more = 0..10;
    let revoked = loop {
        // Whoever waits first looks for a deadlock first, and is its victim.
        server.run("BEGIN; SELECT FROM oauth2_locks WHERE name = 'feed' FOR UPDATE").await;
        let store = server.store.clone();
        let revocation = tokio::spawn(async move { store.revoke_grant(&GrantId::new("g")).await });
        server.until_somebody_waits().await;
        server.run("UPDATE oauth2_grants SET access_until = 7").await;
        server.run("COMMIT").await;
        match revocation.await.unwrap() {
            // It looks once: on a slow machine before the other waits, and then waits for too long.
            Err(StoreError::Unavailable(_)) if more.next().is_some() => {}
            revoked => break revoked.unwrap(),
        }
    };
    assert_eq!(revoked, Found::Yes);
    assert_eq!(told(&server.store).await, [(Ended::Grant(GrantId::new("g")), Timestamp::from_seconds(7))]);
}
