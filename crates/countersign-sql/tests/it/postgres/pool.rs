//! What is measured of the connections.

use std::{
    collections::BTreeMap,
    task::{Context, Waker},
};

use countersign_core::{
    names::GrantId,
    store::{Ended, Feed as _, Grants as _},
};
use countersign_sql::Postgres;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::Server;
use crate::{
    cluster::{SHARED, connect},
    support::NOW,
};

/// What is told of connections to the database, without the times.
fn told(kept: &PrometheusHandle) -> BTreeMap<String, String> {
    let text = kept.render();
    let lines = text.lines().filter_map(|line| line.strip_prefix("countersign_database_")?.split_once(' '));
    let counts =
        lines.filter(|(name, _)| !name.contains("_bucket") && !name.contains("quantile") && !name.ends_with("_sum"));
    counts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn expect(kept: &PrometheusHandle, [open, in_use, waits, failures]: [&str; 4]) {
    let told = told(kept);
    let value = |name: &str| told.get(name).map_or("0", String::as_str);
    assert_eq!(value("connections"), open, "open: {told:?}");
    assert_eq!(value("connections_in_use"), in_use, "in use: {told:?}");
    assert_eq!(value("wait_seconds_count"), waits, "waits: {told:?}");
    assert_eq!(value("connect_failures_total"), failures, "failures: {told:?}");
}

/// On one thread, since the recorder is that thread's.
#[tokio::test]
async fn l2_connections_to_the_database_and_the_waits_for_them_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let kept = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let url = SHARED.database().await + "&pool_max_conns=1";
    let server = Server { store: Postgres::open(&url).await.unwrap(), raw: connect(&url).await, url };
    expect(&kept, ["1", "0", "0", "0"]);

    server.run("BEGIN; SELECT FROM oauth2_locks WHERE name = 'feed' FOR UPDATE").await;
    let writes = tokio::spawn({
        let store = server.store.clone();
        async move { store.append_feed(&Ended::Token("t".to_owned()), NOW).await }
    });
    server.until_somebody_waits().await;
    let nobodys = GrantId::new("nobody's");
    {
        let mut reads = std::pin::pin!(server.store.find_grant(&nobodys));
        assert!(reads.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        expect(&kept, ["1", "1", "0", "0"]);
        server.run("COMMIT").await;
        assert_eq!(reads.await.unwrap(), None);
    }
    writes.await.unwrap().unwrap();
    expect(&kept, ["1", "0", "1", "0"]);

    drop(server);
    expect(&kept, ["0", "0", "1", "0"]);
    let nobody_there = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = Postgres::open(&format!("postgres://nobody@{nobody_there}/none?sslmode=disable")).await;
    assert!(away.is_err());
    expect(&kept, ["0", "0", "1", "1"]);
}
