//! How guesses at one account are slowed, and that its owner gets in all the same.

use super::*;

#[tokio::test]
async fn d13_ten_failures_are_free_and_then_delays_double_to_fifteen_minutes() {
    let rig = Rig::new();
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30));
    for next in [60, 120, 240, 480, 900, 900] {
        let wait = rig.fail("alice", Source::Unknown).await.unwrap_err();
        rig.forward(wait - 1);
        assert_eq!(rig.fail("alice", Source::Unknown).await, Err(1), "not a second earlier");
        rig.forward(1);
        assert_eq!(rig.fail("alice", Source::Unknown).await, Ok(()));
        assert_eq!(rig.fail("alice", Source::Unknown).await, Err(next), "one attempt for each delay");
    }
    assert_eq!(rig.fail("bob", Source::Unknown).await, Ok(()), "another account");
    rig.forward(24 * 60 * 60);
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30), "a day forgets");
}

#[tokio::test]
async fn d13_a_success_forgets_the_failures_of_the_account() {
    let rig = Rig::new();
    for _ in 0..9 {
        rig.fail("alice", Source::Unknown).await.unwrap();
    }
    rig.try_at("alice", Source::Unknown, Outcome::Success).await.unwrap();
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30));
    rig.forward(30);
    rig.try_at("alice", Source::Unknown, Outcome::Undecided).await.unwrap();
    rig.try_at("alice", Source::Unknown, Outcome::Success).await.unwrap();
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30));
    assert_eq!(rig.memory.len(), 1);
}

#[tokio::test]
async fn d13_what_was_never_looked_at_is_no_failure() {
    let rig = Rig::new();
    for _ in 0..100 {
        rig.try_at("alice", at("192.0.2.1"), Outcome::Undecided).await.unwrap();
    }
    assert!(rig.memory.is_empty());
}

/// For an hour, every second, before anybody else can.
#[tokio::test]
async fn d13_who_hammers_from_one_address_does_not_keep_the_owner_out() {
    let rig = Rig::new();
    let (attacker, mut let_in, mut looked_at) = (at("203.0.113.9"), Vec::new(), 0);
    for second in 0..3_600 {
        looked_at += usize::from(rig.fail("alice", attacker).await.is_ok());
        // The owner's right password is not said, so that the attack goes on: that it would be looked at is enough.
        match rig.throttle.login("alice", at("198.51.100.7"), None).await {
            Ok(attempt) => {
                attempt.settle(Outcome::Undecided);
                let_in.push(second);
            }
            Err(OAuthError::Throttled { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        rig.forward(1);
    }
    assert!(looked_at < 20, "{looked_at}");
    for ten_minutes in 0..3 {
        let window = ten_minutes * 1_200..(ten_minutes + 1) * 1_200;
        assert!(let_in.iter().any(|second| window.contains(second)), "never in {window:?}");
    }
    let (longest, _) = let_in.windows(2).map(|pair| (pair[1] - pair[0], pair[0])).max().unwrap();
    // Its turn, and the second of the attacker.
    assert!(longest <= 901, "the owner waits {longest} seconds");
    rig.try_at("alice", at("198.51.100.7"), Outcome::Success).await.unwrap_or(());
}

/// Each of them gets at most a dozen turns a day, so that many are needed to take all.
#[tokio::test]
async fn d13_a_few_addresses_do_not_keep_the_owner_out_for_a_day() {
    let rig = Rig::new();
    let attackers: Vec<_> = (1..=3).map(numbered).collect();
    let mut let_in = 0;
    for _ in 0..24 * 60 {
        for attacker in &attackers {
            let _ = rig.fail("alice", *attacker).await;
        }
        let owner = rig.try_at("alice", at("198.51.100.7"), Outcome::Undecided).await;
        let_in += usize::from(owner.is_ok());
        rig.forward(60);
    }
    assert!(let_in > 12 * 60, "for {let_in} minutes of a day");
}

#[tokio::test]
async fn d14_spellings_of_a_name_share_a_counter() {
    let rig = Rig::new();
    for (number, name) in ["bob", "BOB", "bob ", "ｂｏｂ", "\tBoB"].into_iter().cycle().take(10).enumerate() {
        assert_eq!(rig.fail(name, numbered(number as u32)).await, Ok(()), "{name}");
    }
    for name in ["bob", "BOB", "bob ", "ｂｏｂ"] {
        assert_eq!(rig.fail(name, at("192.0.2.1")).await, Err(30), "{name}");
    }
    // What is no name at all has a counter too.
    assert_eq!(rig.fail_until_delayed("no name\u{0}", Source::Unknown).await, (10, 30));
    assert_eq!(rig.fail("no name\u{1}", Source::Unknown).await, Ok(()));
}

#[tokio::test]
async fn d13_one_customer_with_many_networks_does_not_keep_the_owner_out() {
    let rig = Rig::new();
    for turn in 0..24 * 60 {
        rig.clock.forward(Duration::from_secs(60));
        for network in 0..32 {
            let _ = rig.fail("alice", at(&format!("2001:db8:1:{:x}::1", (turn * 32 + network) % 0xFFFF))).await;
        }
    }
    let mut waited = 0;
    while rig.throttle.login("alice", at("198.51.100.1"), None).await.is_err() {
        rig.clock.forward(Duration::from_secs(60));
        let _ = rig.fail("alice", at(&format!("2001:db8:1:{waited:x}::2"))).await;
        waited += 1;
        assert!(waited <= 15, "the longest delay");
    }
}

#[tokio::test]
async fn d13_a_clock_that_steps_locks_nobody_out_for_longer_than_the_longest_delay() {
    for step in [3_600_u64, 40 * 24 * 3_600] {
        let rig = Rig::new();
        for _ in 0..6 {
            let (_, wait) = rig.fail_until_delayed("alice", Source::Unknown).await;
            rig.forward(wait);
        }
        rig.fail_until_delayed("alice", Source::Unknown).await;
        rig.clock.back(Duration::from_secs(step));
        let wait = rig.fail("alice", Source::Unknown).await.unwrap_err();
        assert!(wait <= 900, "{wait}");
        rig.forward(wait);
        rig.fail("alice", Source::Unknown).await.unwrap();
        rig.clock.forward(Duration::from_secs(step));
        rig.fail("alice", Source::Unknown).await.unwrap();
        rig.clock.back(Duration::from_secs(step));
        assert!(rig.fail("alice", Source::Unknown).await.map_or_else(|wait| wait <= 900, |()| true));
    }
    let rig = Rig::new();
    for account in 0..50 {
        rig.fail(&account.to_string(), at("192.0.2.1")).await.unwrap();
    }
    rig.clock.back(Duration::from_secs(3_600));
    assert_eq!(rig.fail("alice", at("192.0.2.1")).await, Err(12));
}
