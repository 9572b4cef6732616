//! Memory is bounded, and what delays stays in it.

use super::*;

#[tokio::test]
async fn m6_a_million_sources_fit_and_who_delays_still_does() {
    let rig = Rig::with(ThrottleSettings { counters: 10_000, ..ThrottleSettings::default() });
    let active: Vec<_> = (0..100).map(|n| numbered(0xF000_0000 + n)).collect();
    for source in &active {
        for account in 0..50 {
            // Counters of clients, whose failures make no other than their source's heavy.
            let attempt = rig.throttle.client(&account.to_string(), *source, None).await.unwrap();
            attempt.settle(Outcome::Failure);
        }
    }
    for _ in 0..10 {
        rig.throttle.client("owner", numbered(0), None).await.unwrap().settle(Outcome::Failure);
    }
    for n in 1..=1_000_000 {
        let counters = [of_source(ThrottleSettings::default(), u128::to_be_bytes(n))];
        assert_eq!(rig.memory.begin(&counters, &*rig.clock).await.unwrap(), Verdict::Go);
        rig.memory.settle(&counters, Outcome::Failure, NOW);
        assert!(rig.memory.len() <= 10_000);
    }
    for source in active {
        assert!(rig.throttle.client("another", source, None).await.is_err(), "{source}");
    }
    assert!(rig.throttle.client("owner", numbered(0), None).await.is_err());
}

#[tokio::test]
async fn m6_what_has_expired_goes_first_and_known_sources_are_bounded_too() {
    let rig = Rig::with(ThrottleSettings { counters: 8, ..ThrottleSettings::default() });
    for n in 0..8 {
        rig.fail(&format!("old{n}"), Source::Unknown).await.unwrap();
        rig.fail(&format!("old{n}"), Source::Unknown).await.unwrap();
    }
    rig.forward(24 * 60 * 60);
    for n in 0..8 {
        rig.fail(&format!("new{n}"), Source::Unknown).await.unwrap();
    }
    assert_eq!(rig.memory.len(), 8);
    for n in 0..8 {
        for _ in 0..9 {
            rig.fail(&format!("new{n}"), Source::Unknown).await.unwrap();
        }
        assert!(rig.fail(&format!("new{n}"), Source::Unknown).await.is_err(), "none of the new went");
    }
    let pair = |n: u8| {
        let key = |what| Key::of(what, &[&[n]]);
        Pair { key: key(What::KnownPair), whose: key(What::Account), most: 64 }
    };
    for n in 0..100 {
        rig.memory.know(pair(n), NOW.plus(Duration::from_secs(n.into())));
    }
    let mut known = 0;
    for n in 0..100 {
        known += usize::from(rig.memory.is_known(pair(n), NOW).await.unwrap());
    }
    assert_eq!(known, 8);
    assert!(rig.memory.is_known(pair(99), NOW).await.unwrap());
    // Many sources of one account take the places of its own first.
    for n in 100..200 {
        rig.memory.know(Pair { whose: pair(99).whose, most: 4, ..pair(n) }, NOW.plus(Duration::from_secs(n.into())));
    }
    let mut others = 0;
    for n in 0..99 {
        others += usize::from(rig.memory.is_known(pair(n), NOW).await.unwrap());
    }
    assert_eq!(others, 4, "those that it needs, and no more");
    assert!(!rig.memory.is_known(pair(99), NOW).await.unwrap());
}

#[tokio::test]
async fn m6_one_that_delays_stays_though_others_count_more() {
    let rig = Rig::with(ThrottleSettings { counters: 8, ..ThrottleSettings::default() });
    let rule = Rule::Growing { free: 1, first: 30, longest: 900 };
    let delaying = [Counter { what: What::Account, key: Key::of(What::Account, &[b"alice"]), rule }];
    let fail = async |counters: &[Counter]| {
        let verdict = rig.memory.begin(counters, &*rig.clock).await.unwrap();
        if verdict == Verdict::Go {
            rig.memory.settle(counters, Outcome::Failure, NOW);
        }
        verdict
    };
    fail(&delaying).await;
    for n in 0..100_u128 {
        let busy = [of_source(ThrottleSettings::default(), n.to_be_bytes())];
        for _ in 0..5 {
            assert_eq!(fail(&busy).await, Verdict::Go);
        }
    }
    assert!(matches!(fail(&delaying).await, Verdict::Delayed { .. }));
}
