//! What metrics cost where they are kept: nothing that is asked for anew.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use countersign::{
    OAuth2,
    core::{clock::SeededRng, token::BearerToken},
};
use metrics::set_default_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::store::any_store;
use crate::support::TestApp;

/// How often memory is asked for while a token is verified that was verified before.
fn allocations(oauth2: &OAuth2, token: &BearerToken) -> u64 {
    let mut verified = pin!(oauth2.verify(token));
    let mut context = Context::from_waker(Waker::noop());
    allocation_counter::measure(|| assert!(verified.as_mut().poll(&mut context).is_ready())).count_total
}

async fn of_an_api() -> u64 {
    let app = TestApp::with(any_store().await, |builder| builder.rng(std::sync::Arc::new(SeededRng::new(1)))).await;
    let token = BearerToken::new(app.token("me").await);
    app.oauth2.verify(&token).await.unwrap();
    allocations(&app.oauth2, &token)
}

#[tokio::test]
async fn a_verification_that_is_counted_asks_for_no_more_memory() {
    let without = of_an_api().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let kept = recorder.handle();
    let with = {
        let _recorder = set_default_local_recorder(&recorder);
        of_an_api().await
    };
    assert_eq!(with, without);
    let text = kept.render();
    assert!(text.contains("countersign_verifications_total{result=\"valid\"} 2\n"), "{text}");
    assert!(text.contains("countersign_verification_cache_total{result=\"hit\"} 1\n"), "{text}");
}
