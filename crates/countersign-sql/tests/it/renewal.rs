//! Grants that are renewed: races at full size, what rests of tokens, and how large the file gets.

use std::{fs, sync::Arc};

use countersign::{Argon2Cost, GrantType, HashingSettings, NewClient, NewUser, OAuth2, TokenFormat};
use countersign_core::{
    authorization_server::Request,
    form::Form,
    store::conformance::rig::{race_renewals, race_renewals_over, race_revocations, renew_in_rounds},
};

use crate::support::{Home, Place};

/// How many grants race, each with fifty uses at once.
const GRANTS: usize = 2_000;

/// How many grants are renewed and revoked at the same time.
const REVOCATIONS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn e3_two_thousand_grants_with_fifty_uses_each_have_one_successor() {
    race_renewals(Arc::new(Place::new().open().await), GRANTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e8_a_thousand_revocations_beat_renewals() {
    race_revocations(Arc::new(Place::new().open().await), REVOCATIONS).await;
}

/// The same over a network, where each takes its time.
const GRANTS_OF_REPLICAS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn e4_grants_with_fifty_uses_each_over_two_replicas_have_one_successor() {
    let home = Home::database().await;
    let replicas = [Arc::new(home.open().await), Arc::new(home.open().await)];
    race_renewals_over(&replicas, GRANTS_OF_REPLICAS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e8_revocations_beat_renewals_in_postgresql() {
    race_revocations(Arc::new(Home::database().await.open().await), GRANTS_OF_REPLICAS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m7_the_file_does_not_grow_with_renewals() {
    let place = Place::new();
    let store = Arc::new(place.open().await);
    let mut seen = Vec::new();
    renew_in_rounds(store, 100, 1_000, |renewals| {
        if renewals % 10_000 == 0 {
            let raw = place.raw();
            let count = |table: &str| -> i64 {
                raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
            };
            let rows = ["oauth2_grants", "oauth2_one_time", "oauth2_feed", "oauth2_opaque_tokens"].map(count);
            seen.push((renewals, rows.iter().sum::<i64>(), fs::metadata(&place.path).unwrap().len()));
        }
    })
    .await;
    assert_eq!(seen.len(), 10);
    let (_, early_rows, early_bytes) = seen[1];
    for (renewals, rows, bytes) in &seen[2..] {
        assert!(*rows <= 2 * early_rows.max(200), "{renewals} renewals: {rows} rows\n{seen:?}");
        assert!(*bytes <= 2 * early_bytes, "{renewals} renewals: {bytes} bytes\n{seen:?}");
    }
}

#[tokio::test]
async fn m7_what_strangers_send_leaves_nothing_behind() {
    let place = Place::new();
    let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
    let oauth2 = OAuth2::new(place.open().await).hashing(hashing).without_throttle().build().await.unwrap();
    oauth2.add_user(NewUser::new("alice").password("correct horse")).await.unwrap();
    oauth2.add_client(NewClient::new("service").grant_type(GrantType::ClientCredentials)).await.unwrap();
    let rows = || {
        let raw = place.raw();
        let mut tables = raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
        let count = |table: String| {
            let rows = raw.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| row.get::<_, i64>(0));
            (table, rows.unwrap())
        };
        tables.map(count).collect::<Vec<_>>()
    };
    let before = rows();
    let server = oauth2.server().unwrap();
    for n in 0..50 {
        for body in [
            format!("username=alice&password=wrong{n}"),
            format!("username=nobody{n}&password=correct+horse"),
            format!("grant_type=refresh_token&refresh_token=cs_refresh_{n}"),
            format!("grant_type=client_credentials&client_id=service&client_secret=wrong{n}"),
            format!("grant_type=client_credentials&client_id=nobody{n}&client_secret=x"),
            format!("token=cs_access_{n}"),
            format!("token=a.b.{n}"),
        ] {
            let form = Form::parse(body.as_bytes()).unwrap();
            let request = Request::new(None, &form);
            assert!(server.token(request).await.is_err(), "{body}");
            assert!(server.introspect(request).await.is_err(), "{body}");
            // RFC 7009 §2.2: "invalid tokens do not cause an error response".
            let _ = server.revoke(request).await;
        }
    }
    assert_eq!(rows(), before);
}

#[tokio::test]
async fn e12_no_token_can_be_read_out_of_the_files() {
    for format in TokenFormat::ALL {
        let place = Place::new();
        let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
        let builder = OAuth2::new(place.open().await).hashing(hashing).token_format(format);
        let oauth2 = builder.build().await.unwrap();
        oauth2.add_user(NewUser::new("alice").password("correct horse")).await.unwrap();
        let service = NewClient::new("service").grant_type(GrantType::ClientCredentials);
        let secret = oauth2.add_client(service).await.unwrap().secret.unwrap();
        let ask = async |form: String| {
            let form = Form::parse(form.as_bytes()).unwrap();
            oauth2.server().unwrap().token(Request::new(None, &form)).await.unwrap()
        };
        let mut secrets = vec![secret.secret().to_owned()];
        let mut last = ask("username=alice&password=correct+horse".to_owned()).await;
        for _ in 0..3 {
            let refresh = last.refresh_token.unwrap().secret().to_owned();
            secrets.extend([last.access_token.secret().to_owned(), refresh.clone()]);
            last = ask(format!("grant_type=refresh_token&refresh_token={refresh}")).await;
        }
        secrets.extend([last.access_token.secret().to_owned(), last.refresh_token.unwrap().secret().to_owned()]);
        let mut looked_at = 0;
        for file in fs::read_dir(place.dir.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            looked_at += bytes.len();
            for secret in &secrets {
                // What a token says stands in the middle of a JWT, and its secret at the end of either.
                let end = &secret.as_bytes()[secret.len() - 24..];
                assert!(!bytes.windows(end.len()).any(|window| window == end), "{format:?}: a secret rests");
            }
        }
        assert!(looked_at > 10_000, "there is something to look at: {looked_at}");
    }
}
