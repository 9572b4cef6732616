//! How an owner with very many grants ends: it takes its time, and who has to wait for it does not.

use std::time::{Duration, Instant};

use countersign_core::{
    grant_record::Grant,
    names::Subject,
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwners as _},
    store::{Added, Feed as _, Found, Grants as _, OwnerRegistry as _, Standing, StoreError},
};
use countersign_sql::Postgres;
use tokio::task::JoinSet;

use super::{Server, assert_unavailable};
use crate::support::{NOW, grant, owner};

/// All that ends the grants of an owner.
const ENDINGS: [&str; 5] = ["disabled", "removed", "password set", "password changed", "grants ended"];

/// What takes its time to wait, too, waits for longer.
const SOON: Duration = Duration::from_secs(40);

async fn end(store: &Postgres, ending: &str, subject: &Subject) -> Result<Found, StoreError> {
    let new = PasswordHash::new("new");
    match ending {
        "disabled" => store.set_status(subject, OwnerStatus::Disabled, NOW).await,
        "removed" => store.remove_owner(subject, NOW).await,
        "password set" => store.set_password(subject, &new, NOW).await,
        "password changed" => store.change_password(subject, &PasswordHash::new("a hash"), &new, NOW).await,
        _ => store.revoke_grants_of(subject, NOW).await.map(|ended| if ended == 0 { Found::No } else { Found::Yes }),
    }
}

/// An owner for each of these, with a grant.
async fn owners(server: &Server) -> Vec<(&'static str, Subject)> {
    let mut subjects = Vec::new();
    for ending in ENDINGS {
        let alice = owner(&ending.replace(' ', "-"));
        assert_eq!(server.store.add_owner(&alice).await.unwrap(), Added::Yes);
        let grant = Grant { subject: alice.subject.clone(), ..grant(ending) };
        server.store.redeem(&Standing::Elsewhere, None, &grant, None).await.unwrap();
        subjects.push((ending, alice.subject));
    }
    subjects
}

/// Longer than a statement, and than an operation, may take otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_very_many_grants_of_an_owner_is_given_its_time() {
    let server = Server::new().await;
    server
        .run(
            "CREATE FUNCTION takes_long() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN PERFORM pg_sleep(11); RETURN NULL; END $$; \
            CREATE TRIGGER takes_long AFTER DELETE ON oauth2_grants FOR EACH ROW EXECUTE FUNCTION takes_long()",
        )
        .await;
    let mut endings = JoinSet::new();
    for (ending, subject) in owners(&server).await {
        let store = server.store.clone();
        endings.spawn(async move { (ending, end(&store, ending, &subject).await) });
    }
    for (ending, ended) in endings.join_all().await {
        assert_eq!(ended.unwrap(), Found::Yes, "{ending}");
    }
    assert_eq!(server.count("SELECT count(*) FROM oauth2_grants").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_owner_that_another_changes_is_refused_soon() {
    let server = Server::new().await;
    let owners = owners(&server).await;
    // As another one does it that takes its time.
    server
        .run(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended(subject, 1)) FROM oauth2_owners; \
            SELECT FROM oauth2_grants FOR UPDATE",
        )
        .await;
    let mut endings = JoinSet::new();
    for (ending, subject) in owners {
        let store = server.store.clone();
        endings.spawn(async move {
            let began = Instant::now();
            let ended = end(&store, ending, &subject).await;
            (ending, ended, began.elapsed(), store.find_by_subject(&subject).await)
        });
    }
    for (ending, ended, took, found) in endings.join_all().await {
        assert_unavailable(&ended);
        assert!(took < SOON, "{ending}: {took:?}");
        assert!(found.unwrap().is_some_and(|owner| owner.is_active()), "{ending}: nothing changed");
    }
    server.run("COMMIT").await;
}

/// More than in one statement.
#[tokio::test(flavor = "multi_thread")]
async fn very_many_grants_of_an_owner_end_whole() {
    const MANY: i64 = 20_001;
    const ALIVE: usize = 7;
    let server = Server::new().await;
    let alice = owner("alice");
    server.store.add_owner(&alice).await.unwrap();
    let (subject, now) = (alice.subject.as_str(), NOW.seconds());
    server
        .run(&format!(
            "INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) \
            SELECT 'grant ' || i, '{subject}', 'app', 'me', 1, {now} + 9, 1, CASE WHEN i <= {ALIVE} THEN {now} ELSE 9 END \
            FROM generate_series(1, {MANY}) AS i; \
            INSERT INTO oauth2_opaque_tokens (handle, grant_id, claims, expires_at) \
            SELECT convert_to(id, 'UTF8'), id, '{{}}', 9 FROM oauth2_grants; \
            INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) \
            VALUES ('another''s', 'bob', 'app', 'me', 1, {now}, 1, {now})"
        ))
        .await;
    assert_eq!(server.store.set_status(&alice.subject, OwnerStatus::Disabled, NOW).await.unwrap(), Found::Yes);
    assert_eq!(server.count("SELECT count(*) FROM oauth2_grants").await, 1, "another's stays");
    assert_eq!(server.count("SELECT count(*) FROM oauth2_opaque_tokens").await, 0);
    let told = server.store.find_feed(0, 99).await.unwrap();
    assert_eq!(told.len(), ALIVE + 1, "of those that are alive, and of the owner: {told:?}");
}
