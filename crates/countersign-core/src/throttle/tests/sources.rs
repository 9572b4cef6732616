//! What is one source, which are known, and how they are slowed.

use std::net::Ipv4Addr;

use super::*;

#[tokio::test]
async fn d13_a_known_source_is_not_slowed_by_strangers_nor_they_by_it() {
    let rig = Rig::new();
    let home = at("198.51.100.7");
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
    rig.fail_until_delayed("alice", at("203.0.113.9")).await;
    for _ in 0..50 {
        rig.try_at("alice", home, Outcome::Success).await.unwrap();
    }
    assert!(rig.fail("alice", at("203.0.113.9")).await.is_err(), "no success at home resets what strangers did");
    assert_eq!(rig.fail_until_delayed("alice", home).await, (10, 30), "guesses at home count there");
    assert!(rig.fail("bob", home).await.is_ok());
    rig.forward(30);
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
    assert_eq!(rig.fail_until_delayed("alice", home).await, (10, 30));
    // For thirty days after the last login.
    rig.forward(30 * 24 * 60 * 60 - 31);
    rig.fail_until_delayed("alice", at("203.0.113.9")).await;
    rig.try_at("alice", home, Outcome::Undecided).await.unwrap();
    rig.forward(31);
    rig.fail_until_delayed("alice", at("203.0.113.10")).await;
    rig.try_at("alice", home, Outcome::Undecided).await.unwrap_err();
}

#[tokio::test]
async fn d13_many_accounts_with_few_tries_each_are_slowed_by_source() {
    let rig = Rig::new();
    let source = at("203.0.113.9");
    let mut looked_at = 0;
    for account in 0..1_000 {
        looked_at += usize::from(rig.fail(&format!("user{account}"), source).await.is_ok());
    }
    assert_eq!(looked_at, 50);
    assert_eq!(rig.fail("another", source).await, Err(12));
    assert_eq!(rig.fail("another", at("203.0.113.10")).await, Ok(()));
    rig.try_at("nobody", source, Outcome::Success).await.unwrap_err();
    for _ in 0..3 {
        rig.forward(12);
        rig.fail("another", source).await.unwrap();
        assert_eq!(rig.fail("another", source).await, Err(12));
    }
}

#[tokio::test]
async fn d17_addresses_of_one_network_are_one_source() {
    let rig = Rig::new();
    let mut looked_at = 0;
    for host in 0..1_u32 << 16 {
        let source = at(&format!("2001:db8:1:2:{:x}:{:x}::1", host >> 8, host & 0xFF));
        looked_at += usize::from(rig.fail(&format!("user{host}"), source).await.is_ok());
    }
    assert_eq!(looked_at, 50);
    assert_eq!(rig.fail("another", at("2001:db8:1:3::1")).await, Ok(()), "the next network");
    assert_eq!(at("2001:db8:1:3::1").site(), at("2001:db8:1:ffff::1").site());
    assert_ne!(at("2001:db8:1::1").site(), at("2001:db8:2::1").site());
    assert_ne!(at("192.0.2.1").site(), at("192.0.2.2").site());
    // A translator of addresses (RFC 6052) is not one source.
    assert_eq!(at("64:ff9b::192.0.2.1").network(), at("192.0.2.1").network());
    let mapped = at("::ffff:192.0.2.1");
    assert_eq!(mapped, at("192.0.2.1"));
    assert_eq!(Source::Address("::ffff:192.0.2.1".parse().unwrap()).network(), mapped.network());
    assert_ne!(at("192.0.2.1").network(), at("192.0.2.2").network());
    assert_eq!((Source::Unknown.network(), Source::Unknown.to_string()), (None, "unknown".to_owned()));
}

#[tokio::test]
async fn d13_of_many_sources_of_a_client_those_are_known_that_were_good_last() {
    let rig = Rig::new();
    let from = |n: usize| Source::of(Ipv4Addr::from(u32::try_from(n).unwrap()).into());
    let mut pairs = Vec::new();
    for n in 0..=KNOWN_OF_CLIENT {
        let attempt = rig.throttle.client("app", from(n), None).await.unwrap();
        pairs.push(attempt.pair.unwrap());
        attempt.settle(Outcome::Success);
        // The first is good again and again.
        rig.throttle.client("app", from(0), None).await.unwrap().settle(Outcome::Success);
    }
    for (n, pair) in pairs.into_iter().enumerate() {
        assert_eq!(rig.memory.is_known(pair, NOW).await.unwrap(), n != 1, "{n}");
    }
}
