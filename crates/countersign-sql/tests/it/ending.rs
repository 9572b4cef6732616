//! Very much that was granted to a client ends, also if whoever ends it is killed, and others write meanwhile.

use std::time::Duration;

use countersign_core::{
    client::{Authentication, Client, ClientStatus},
    clock::Timestamp,
    grant_record::{Grant, Refresh},
    names::{ClientId, GrantId},
    store::{
        Added, Clients, Ended, Feed, FeedEntry, Found, Grants, HandleHash, LONGEST_ACCESS_TOKEN, OpaqueToken, Origin,
        OwnerRegistry, Redeemed, Standing, StoreError,
    },
};
use countersign_sql::Database;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::support::{Home, NOW, grant, in_both_engines, owner};

/// More than ends in one write, and not a multiple of that.
const MANY: usize = 25_001;

const FEW: usize = 20;

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a test may wait for: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many of the client's own come at once while it ends: more than there are connections.
const HAMMERING: usize = 12;

/// When the last of them was used: the clock was ahead.
const LAST_USE: Timestamp = NOW.plus(Duration::from_secs(3600));

fn client(id: &str) -> Client {
    Client::new(ClientId::new(id), Authentication::None, NOW)
}

fn app() -> Client {
    client("app")
}

/// The refresh token that each of the many grants has, before and after it is renewed.
fn refresh_token() -> HandleHash {
    HandleHash::from_bytes([7; 32])
}

/// Grants of a client, each with an opaque token, and as many tokens of its own.
fn granted(home: &Home, client: &str, many: usize) -> String {
    let numbers = |table: &str, columns: &str, values: &str| {
        format!(
            "INSERT INTO oauth2_{table} ({columns}) WITH RECURSIVE n(i) AS \
            (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) SELECT {values} FROM n; "
        )
    };
    let (now, last) = (NOW.seconds(), LAST_USE.seconds());
    let name = |kind: &str| format!("'{client} {kind} ' || (100000 + i)");
    let handle = |kind: &str| match home {
        Home::File(_) => format!("CAST({} AS BLOB)", name(kind)),
        Home::Cluster(_) => format!("convert_to({}, 'UTF8')", name(kind)),
    };
    let refresh = match home {
        Home::File(_) => format!("x'{}'", "07".repeat(32)),
        Home::Cluster(_) => "decode(repeat('07', 32), 'hex')".to_owned(),
    };
    [
        numbers(
            "grants",
            "id, subject, client_id, scope, created_at, expires_at, used_at, access_until, refresh_family, refresh_current, \
            refresh_expires_at",
            &format!(
                "{}, 'subject ' || i, '{client}', 'me', {now}, {last}, CASE i WHEN {many} THEN {last} ELSE {now} END, {last}, \
                {refresh}, {refresh}, {last}",
                name("grant")
            ),
        ),
        numbers(
            "opaque_tokens",
            "handle, grant_id, claims, expires_at",
            &format!("{}, {}, '{{}}', {last}", handle("token"), name("grant")),
        ),
        numbers(
            "opaque_tokens",
            "handle, client_id, claims, expires_at",
            &format!("{}, '{client}', '{{}}', {last}", handle("own")),
        ),
    ]
    .concat()
}

async fn grant_all(home: &Home, client: &str, many: usize) {
    home.run(&granted(home, client, many)).await;
    assert_eq!(what_is_left(home, client).await, 3 * many);
}

/// How many grants and tokens a client has.
async fn what_is_left(home: &Home, client: &str) -> usize {
    let count = format!(
        "SELECT CAST((SELECT COUNT(*) FROM oauth2_grants WHERE client_id = '{client}') \
        + (SELECT COUNT(*) FROM oauth2_opaque_tokens WHERE client_id = '{client}') \
        + (SELECT COUNT(*) FROM oauth2_opaque_tokens WHERE grant_id LIKE '{client} %') AS TEXT)"
    );
    home.look(&count).await.parse().unwrap()
}

/// A few grants of the client that have many tokens between them.
async fn grant_few_with_many_tokens(home: &Home) {
    const GRANTS: usize = 3;
    home.run(&granted(home, "app", MANY)).await;
    let few = 100_000 + GRANTS;
    home.run(&format!(
        "DELETE FROM oauth2_opaque_tokens WHERE client_id = 'app'; \
        UPDATE oauth2_opaque_tokens SET grant_id = 'app grant 10000' || (1 + CAST(SUBSTR(grant_id, 11) AS INTEGER) % {GRANTS}); \
        DELETE FROM oauth2_grants WHERE id > 'app grant {few}'"
    ))
    .await;
    assert_eq!(what_is_left(home, "app").await, GRANTS + MANY);
}

/// As a process leaves it that was killed when it had begun to end a client.
async fn begin_to_end(home: &Home, change: &str) {
    let part = "SELECT id FROM oauth2_grants WHERE client_id = 'app' AND subject LIKE 'subject 1%'";
    home.run(&format!(
        "{change}; DELETE FROM oauth2_opaque_tokens WHERE grant_id IN ({part}); \
        DELETE FROM oauth2_grants WHERE id IN ({part})"
    ))
    .await;
}

async fn told(store: &Database) -> Vec<FeedEntry> {
    store.find_feed(0, 1000).await.unwrap()
}

/// Up to when the feed says that what the client got has ended.
async fn cut(store: &Database) -> Option<Timestamp> {
    cut_after(store, 0).await
}

/// As [`cut`], without so many entries at the beginning.
async fn cut_after(store: &Database, before: usize) -> Option<Timestamp> {
    let cut = told(store).await.into_iter().skip(before).filter_map(|entry| match entry.ended {
        Ended::Client(id, up_to) if id == app().id => {
            assert_eq!(entry.until, up_to.plus(LONGEST_ACCESS_TOKEN));
            Some(up_to)
        }
        _ => None,
    });
    cut.max()
}

/// It can be granted anew, and that stays.
async fn assert_lives(store: &Database) {
    let anew = Grant { client_id: app().id, ..grant("anew") };
    assert_eq!(store.redeem(&Standing::Elsewhere, None, &anew, None).await.unwrap(), Redeemed::Whole);
    assert_eq!(store.set_client_status(&app().id, ClientStatus::Active, NOW).await.unwrap(), Found::Yes);
    assert!(store.find_grant(&anew.id).await.unwrap().is_some());
}

async fn h10_very_much_that_was_granted_ends_whole(home: Home) {
    let store = home.open().await;
    grant_all(&home, "page", FEW).await;
    for status in [Some(ClientStatus::Disabled), None] {
        store.add_client(&app()).await.unwrap();
        store.set_client_status(&app().id, ClientStatus::Active, NOW).await.unwrap();
        grant_all(&home, "app", MANY).await;
        let (before, now) = (told(&store).await.len(), NOW.plus(Duration::from_secs(1)));
        let ended = match status {
            Some(status) => store.set_client_status(&app().id, status, now).await.unwrap(),
            None => store.remove_client(&app().id, now).await.unwrap(),
        };
        assert_eq!(ended, Found::Yes);
        assert_eq!(what_is_left(&home, "app").await, 0);
        assert_eq!(what_is_left(&home, "page").await, 3 * FEW, "another's stays");
        assert_eq!(cut_after(&store, before).await, Some(LAST_USE));
        let entries = told(&store).await.len() - before;
        assert!(entries <= 2, "the feed is told of the client, and not of each grant: {entries}");
    }
}

async fn h10_what_was_left_of_a_disabled_client_does_not_come_alive_with_it(home: Home) {
    let store = home.open().await;
    store.add_client(&app()).await.unwrap();
    grant_all(&home, "app", MANY).await;
    begin_to_end(&home, "UPDATE oauth2_clients SET status = 'disabled'").await;
    let now = LAST_USE.plus(Duration::from_secs(1));
    assert_eq!(store.set_client_status(&app().id, ClientStatus::Active, now).await.unwrap(), Found::Yes);
    assert_eq!(what_is_left(&home, "app").await, 0);
    assert_eq!(cut(&store).await, Some(now), "nor is a token good that nobody can look up");
    assert_lives(&store).await;
}

async fn h10_what_was_left_of_a_removed_client_does_not_come_alive_with_its_name(home: Home) {
    let store = home.open().await;
    store.add_client(&app()).await.unwrap();
    grant_all(&home, "app", MANY).await;
    begin_to_end(&home, "DELETE FROM oauth2_clients").await;
    assert_eq!(store.add_client(&app()).await.unwrap(), Added::Yes);
    assert_eq!(what_is_left(&home, "app").await, 0);
    assert_eq!(cut(&store).await, Some(LAST_USE));
    assert_lives(&store).await;
}

async fn h10_what_was_left_ends_when_it_is_said_again(home: Home) {
    let store = home.open().await;
    let disabled = "UPDATE oauth2_clients SET status = 'disabled'";
    for (left_by, again, found) in [
        (disabled, Some(ClientStatus::Disabled), Found::Yes),
        (disabled, None, Found::Yes),
        ("DELETE FROM oauth2_clients", Some(ClientStatus::Active), Found::No),
        ("DELETE FROM oauth2_clients", Some(ClientStatus::Disabled), Found::No),
        ("DELETE FROM oauth2_clients", None, Found::No),
    ] {
        store.add_client(&app()).await.unwrap();
        store.set_client_status(&app().id, ClientStatus::Active, NOW).await.unwrap();
        let before = told(&store).await.len();
        grant_all(&home, "app", FEW).await;
        begin_to_end(&home, left_by).await;
        let said = match again {
            Some(status) => store.set_client_status(&app().id, status, NOW).await.unwrap(),
            None => store.remove_client(&app().id, NOW).await.unwrap(),
        };
        assert_eq!(said, found, "{left_by} {again:?}");
        assert_eq!(what_is_left(&home, "app").await, 0, "{left_by} {again:?}");
        assert_eq!(cut_after(&store, before).await, Some(LAST_USE));
    }
}

async fn h10_what_the_built_in_client_got_is_left_by_nobody(home: Home) {
    let (store, built_in) = (home.open().await, ClientId::new(Client::BUILT_IN_ID));
    grant_all(&home, Client::BUILT_IN_ID, FEW).await;
    for status in [ClientStatus::Active, ClientStatus::Disabled] {
        assert_eq!(store.set_client_status(&built_in, status, NOW).await.unwrap(), Found::No);
    }
    assert_eq!(store.remove_client(&built_in, NOW).await.unwrap(), Found::No);
    assert_eq!(what_is_left(&home, Client::BUILT_IN_ID).await, 3 * FEW);
}

/// A database in which a client has very much, and another one is.
async fn full(home: &Home) -> Database {
    let store = home.open().await;
    for client in [app(), client("page")] {
        assert_eq!(store.add_client(&client).await.unwrap(), Added::Yes);
    }
    grant_all(home, "app", MANY).await;
    store
}

/// What another program does as soon as something happens to a row, all in one.
async fn as_soon_as(home: &Home, happens: &str, does: &str) {
    let (event, only_if) = happens.split_once(" WHEN ").unwrap_or((happens, "(1 = 1)"));
    home.run(&match home {
        Home::File(_) => format!("CREATE TRIGGER others {event} WHEN {only_if} BEGIN {does}; END"),
        Home::Cluster(_) => format!(
            "CREATE FUNCTION others() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN COALESCE(NEW, OLD); END $$; \
            CREATE TRIGGER others {event} FOR EACH ROW WHEN {only_if} EXECUTE FUNCTION others()"
        ),
    })
    .await;
}

/// Whoever asks for something until it is enough.
struct Busy(JoinSet<()>);

impl Busy {
    /// With a number of its own each time.
    fn with<Done>(&mut self, does: impl Fn(usize) -> Done + Send + 'static) -> AbortHandle
    where
        Done: Future<Output = ()> + Send,
    {
        self.0.spawn(async move {
            for number in 0.. {
                does(number).await;
            }
        })
    }

    /// Who failed is told of.
    async fn enough(mut self) {
        self.0.abort_all();
        while let Some(ended) = self.0.join_next().await {
            assert!(ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled), "{ended:?}");
        }
    }
}

/// What the client's own do that hammer: they may be refused, and nothing else.
#[track_caller]
fn may_be_refused<T>(done: Result<T, StoreError>) {
    assert!(matches!(done, Ok(_) | Err(StoreError::Unavailable(_))), "{:?}", done.err());
}

/// Many log in with the client, and renew what they have, as long as it is let in; and all of a time.
fn hammer(busy: &mut Busy, store: &Database) {
    for task in 0..HAMMERING {
        let store = store.clone();
        busy.with(move |number| {
            let (store, id) = (store.clone(), format!("app grant {}", 100_001 + (number * 997 + task) % MANY));
            let refresh = Refresh {
                family: refresh_token(),
                current: refresh_token(),
                expires_at: LAST_USE,
                retired: Vec::new(),
            };
            let renewed = Grant { client_id: app().id, refresh: Some(refresh), ..grant(&id) };
            let anew = Grant { client_id: app().id, ..grant(&format!("anew {task} {number}")) };
            async move {
                may_be_refused(store.rotate_refresh(&refresh_token(), &renewed, None).await);
                may_be_refused(store.redeem(&Standing::Elsewhere, None, &anew, None).await);
            }
        });
    }
}

/// While a client with very much is disabled over one handle, and its own hammer over it, others write over another; what each
/// saw of it is noted by the database.
async fn others_write_in_between(home: Home, ends: Database, others: Database, must_succeed: bool) {
    home.run("CREATE TABLE seen (rest BIGINT)").await;
    let look = "INSERT INTO seen SELECT COUNT(*) FROM oauth2_grants WHERE client_id = 'app'";
    as_soon_as(&home, "AFTER INSERT ON oauth2_owners", look).await;
    let mut busy = Busy(JoinSet::new());
    hammer(&mut busy, &ends);
    for writer in 0..2 {
        let store = others.clone();
        busy.with(move |number| {
            let (store, name) = (store.clone(), format!("owner{writer}-{number}"));
            let login = Grant { client_id: client("page").id, ..grant(&name) };
            async move {
                let added = store.add_owner(&owner(&name)).await;
                let granted = store.redeem(&Standing::Elsewhere, None, &login, None).await;
                let heard = store.find_feed(0, 10).await;
                // Who waited for another process for too long comes again.
                if must_succeed {
                    assert_eq!((added.unwrap(), granted.unwrap()), (Added::Yes, Redeemed::Whole));
                    heard.unwrap();
                }
            }
        });
    }
    assert_eq!(ends.set_client_status(&app().id, ClientStatus::Disabled, NOW).await.unwrap(), Found::Yes);
    busy.enough().await;
    let between = "SELECT CAST(COUNT(DISTINCT rest) AS TEXT) FROM seen WHERE rest > 0 AND rest < 25001";
    let between: usize = home.look(between).await.parse().unwrap();
    assert!(between > 0, "somebody wrote after some of it had ended and before all had");
    assert_eq!(what_is_left(&home, "app").await, 0);
}

async fn h10_others_of_the_process_write_while_very_much_ends(home: Home) {
    let store = full(&home).await;
    others_write_in_between(home, store.clone(), store, true).await;
}

async fn h10_another_process_writes_while_very_much_ends(home: Home) {
    let (ends, other) = (full(&home).await, home.open().await);
    others_write_in_between(home, ends, other, false).await;
}

async fn h10_what_was_stopped_after_a_part_leaves_nothing_to_come_alive(home: Home) {
    for remove in [false, true] {
        let home = home.another().await;
        let store = full(&home).await;
        let end = async |store: &Database| match remove {
            false => store.set_client_status(&app().id, ClientStatus::Disabled, NOW).await,
            true => store.remove_client(&app().id, NOW).await,
        };
        let let_in = async |store: &Database| match remove {
            false => store.set_client_status(&app().id, ClientStatus::Active, NOW).await.map(drop),
            true => store.add_client(&app()).await.map(drop),
        };
        let is_out = async || !store.find_client(&app().id).await.unwrap().is_some_and(|app| app.is_active());
        // A later part fails, as if it had never begun.
        let stop = match home {
            Home::File(_) => "SELECT RAISE(ABORT, 'stopped')",
            Home::Cluster(_) => "RAISE EXCEPTION 'stopped'",
        };
        as_soon_as(&home, "BEFORE DELETE ON oauth2_grants WHEN (OLD.id = 'app grant 115000')", stop).await;
        end(&store).await.unwrap_err();
        let left = what_is_left(&home, "app").await;
        assert!(0 < left && left < 3 * MANY, "a part ended: {left}");
        assert!(is_out().await);
        assert_eq!(
            cut(&store).await,
            Some(LAST_USE),
            "what nobody looks up ended with the first part, whoever used it"
        );
        let late = Grant { client_id: app().id, ..grant("late") };
        assert_eq!(store.redeem(&Standing::Elsewhere, None, &late, None).await.unwrap(), Redeemed::OwnerChanged);
        // While it cannot end, it is not let in either.
        let_in(&store).await.unwrap_err();
        assert!(is_out().await);

        home.run(&format!(
            "DROP TRIGGER others{}",
            if matches!(home, Home::File(_)) { "" } else { " ON oauth2_grants" }
        ))
        .await;
        let again = home.open().await;
        // One that is gone is told of as such, and what was left of it ends all the same.
        assert_eq!(end(&again).await.unwrap(), if remove { Found::No } else { Found::Yes });
        assert_eq!(what_is_left(&home, "app").await, 0);
        let_in(&again).await.unwrap();
        assert_eq!(cut(&again).await, Some(LAST_USE));
        let last = GrantId::new(format!("app grant {}", 100_000 + MANY));
        assert_eq!(again.find_grant(&last).await.unwrap(), None);
        assert_lives(&again).await;
    }
}

async fn h10_a_client_is_off_before_anything_ends_and_the_many_tokens_of_a_few_grants_end_in_parts(home: Home) {
    let stop = match home {
        Home::File(_) => "SELECT RAISE(ABORT, 'stopped')",
        Home::Cluster(_) => "RAISE EXCEPTION 'stopped'",
    };
    let go_on = match home {
        Home::File(_) => "DROP TRIGGER others",
        Home::Cluster(_) => "DROP TRIGGER others ON oauth2_opaque_tokens; DROP FUNCTION others",
    };
    for remove in [false, true] {
        let home = home.another().await;
        let store = home.open().await;
        store.add_client(&app()).await.unwrap();
        grant_few_with_many_tokens(&home).await;
        let all = what_is_left(&home, "app").await;
        let end = async || match remove {
            false => store.set_client_status(&app().id, ClientStatus::Disabled, NOW).await,
            true => store.remove_client(&app().id, NOW).await,
        };
        let is_out = async || !store.find_client(&app().id).await.unwrap().is_some_and(|app| app.is_active());

        as_soon_as(&home, "BEFORE DELETE ON oauth2_opaque_tokens", stop).await;
        end().await.unwrap_err();
        assert!(is_out().await, "whatever keeps the rest from ending");
        assert_eq!(cut(&store).await, Some(NOW), "and the feed tells it");
        assert_eq!(what_is_left(&home, "app").await, all, "nothing ends in the same write");
        home.run(go_on).await;

        let last = "BEFORE DELETE ON oauth2_opaque_tokens WHEN (OLD.grant_id = 'app grant 100003')";
        as_soon_as(&home, last, stop).await;
        end().await.unwrap_err();
        let left = what_is_left(&home, "app").await;
        assert!(0 < left && left < all, "a part ended: {left}");
        home.run(go_on).await;

        assert_eq!(end().await.unwrap(), if remove { Found::No } else { Found::Yes });
        assert_eq!(what_is_left(&home, "app").await, 0);
    }
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let is_so = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(PATIENCE, is_so).await.expect(what);
}

async fn h10_what_began_to_end_ends_also_if_its_caller_goes_away(home: Home) {
    let store = full(&home).await;
    let caller = {
        let store = store.clone();
        tokio::spawn(async move { store.set_client_status(&app().id, ClientStatus::Disabled, NOW).await })
    };
    until("it is disabled", async || !store.find_client(&app().id).await.unwrap().unwrap().is_active()).await;
    caller.abort();
    until("it ends", async || what_is_left(&home, "app").await == 0).await;
}

async fn h10_of_a_client_that_was_let_in_meanwhile_nothing_ends_that_came_after(home: Home) {
    let store = full(&home).await;
    // What another process does as soon as the first part is over.
    let let_in = "UPDATE oauth2_clients SET status = 'active'; \
        UPDATE oauth2_opaque_tokens SET client_id = 'gone', grant_id = 'gone'; \
        UPDATE oauth2_grants SET client_id = 'gone' WHERE id <> 'app grant 120000'";
    as_soon_as(&home, "AFTER INSERT ON oauth2_feed", let_in).await;
    assert_eq!(store.set_client_status(&app().id, ClientStatus::Disabled, NOW).await.unwrap(), Found::Yes);
    let anew = GrantId::new("app grant 120000");
    assert!(store.find_grant(&anew).await.unwrap().is_some(), "it stands for one of after");
    assert_eq!(store.find_client(&app().id).await.unwrap().unwrap().status, ClientStatus::Active);
}

async fn h10_what_is_renewed_between_two_parts_ends_by_the_moment_of_its_renewal(home: Home) {
    let (store, renewed_at) = (full(&home).await, LAST_USE.plus(Duration::from_secs(60)));
    // As soon as the first part has told the feed.
    let renewed_at_seconds = renewed_at.seconds();
    let renew = format!("UPDATE oauth2_grants SET used_at = {renewed_at_seconds} WHERE id = 'app grant 120000'");
    as_soon_as(&home, "AFTER INSERT ON oauth2_feed", &renew).await;
    store.set_client_status(&app().id, ClientStatus::Disabled, NOW).await.unwrap();
    assert_eq!(cut(&store).await, Some(renewed_at));
    let token = OpaqueToken {
        handle: HandleHash::of("late"),
        descends_from: Origin::Grant(GrantId::new("app grant 120000")),
        claims: "{}".to_owned(),
        expires_at: LAST_USE,
    };
    assert_eq!(store.put_opaque_token(&token).await.unwrap(), Found::No, "nothing is left to descend from");
}

async fn h10_two_processes_that_end_the_same_client_at_once_end_all_of_it(home: Home) {
    let handles = [full(&home).await, home.open().await];
    let mut enders = JoinSet::new();
    for store in handles.clone() {
        enders.spawn(async move { store.set_client_status(&app().id, ClientStatus::Disabled, NOW).await.unwrap() });
    }
    assert_eq!(enders.join_all().await, [Found::Yes; 2]);
    assert_eq!(what_is_left(&home, "app").await, 0);
    assert_eq!(cut(&handles[0]).await, Some(LAST_USE));
}

async fn h10_who_lets_a_client_in_while_another_process_ends_it_waits_for_all_of_it(home: Home) {
    let [ends, lets_in] = [full(&home).await, home.open().await];
    let ending = tokio::spawn(async move { ends.set_client_status(&app().id, ClientStatus::Disabled, NOW).await });
    until("it is disabled", async || !lets_in.find_client(&app().id).await.unwrap().unwrap().is_active()).await;
    assert_eq!(lets_in.set_client_status(&app().id, ClientStatus::Active, NOW).await.unwrap(), Found::Yes);
    assert_eq!(what_is_left(&home, "app").await, 0);
    let anew = Grant { client_id: app().id, ..grant("anew") };
    assert_eq!(lets_in.redeem(&Standing::Elsewhere, None, &anew, None).await.unwrap(), Redeemed::Whole);
    assert_eq!(ending.await.unwrap().unwrap(), Found::Yes);
    assert!(lets_in.find_grant(&anew.id).await.unwrap().is_some(), "what came after stays");
    assert!(lets_in.find_client(&app().id).await.unwrap().unwrap().is_active());
}

in_both_engines! {
    h10_very_much_that_was_granted_ends_whole
    h10_what_was_left_of_a_disabled_client_does_not_come_alive_with_it
    h10_what_was_left_of_a_removed_client_does_not_come_alive_with_its_name
    h10_what_was_left_ends_when_it_is_said_again
    h10_what_the_built_in_client_got_is_left_by_nobody
    h10_others_of_the_process_write_while_very_much_ends
    h10_another_process_writes_while_very_much_ends
    h10_what_was_stopped_after_a_part_leaves_nothing_to_come_alive
    h10_a_client_is_off_before_anything_ends_and_the_many_tokens_of_a_few_grants_end_in_parts
    h10_what_began_to_end_ends_also_if_its_caller_goes_away
    h10_of_a_client_that_was_let_in_meanwhile_nothing_ends_that_came_after
    h10_what_is_renewed_between_two_parts_ends_by_the_moment_of_its_renewal
    h10_two_processes_that_end_the_same_client_at_once_end_all_of_it
    h10_who_lets_a_client_in_while_another_process_ends_it_waits_for_all_of_it
}
