//! The rules of one counter, whatever happens to it.

use proptest::prelude::*;

use super::*;

fn rules() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (1..20_u32, 1..60_u32, 60..3_600_u32).prop_map(|(free, first, longest)| Rule::Growing { free, first, longest }),
        (1..60_u32, 60..3_600_u32).prop_map(|(first, longest)| Rule::Following { first, longest }),
        (1..100_u32, 1..60_u32, 1..60_u32).prop_map(|(burst, refill, period)| Rule::Leaky { burst, refill, period }),
    ]
}

proptest! {
    /// Whatever happens, and however the clock goes: nobody waits longer than the longest delay from now, and a minute if the
    /// clock went back by less.
    #[test]
    fn d13_no_delay_is_longer_than_the_longest(
        rule in rules(),
        steps in prop::collection::vec((0..3_u8, -4_000..4_000_i64, 0..2_000_u32), 0..200),
    ) {
        let (mut tally, mut now) = (Tally::default(), NOW);
        let longest = match rule {
            Rule::Growing { longest, .. } | Rule::Following { longest, .. } => longest,
            Rule::Leaky { refill, period, .. } => period.div_ceil(refill),
        };
        for (outcome, passed, slowest) in steps {
            now = Timestamp::from_seconds(now.seconds() + passed);
            match tally.room(rule, now) {
                Room::Free => {
                    tally.reserve();
                    let outcome = [Outcome::Success, Outcome::Failure, Outcome::Undecided][usize::from(outcome)];
                    tally.settle(rule, outcome, now, slowest);
                }
                Room::Taken => prop_assert!(false, "nothing is under way"),
                Room::Closed(until) => {
                    prop_assert!(until > now && until <= now.plus(Duration::from_secs(60 + u64::from(longest))));
                }
            }
        }
    }

    /// However many are begun at once: those that fail are no more than one after the other could have been.
    #[test]
    fn a_tally_survives_as_bytes_and_is_forgotten_when_it_says(
        rule in rules(),
        failures in 1..60_usize,
        under_way in 0..3_usize,
    ) {
        let mut tally = Tally::default();
        for _ in 0..failures {
            tally.reserve();
            tally.settle(rule, Outcome::Failure, NOW, 30);
        }
        for _ in 0..under_way {
            tally.reserve();
        }
        prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally));
        prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()[1..]), None);
        tally.abandon();
        let at = tally.forgotten_at(rule);
        prop_assert!(tally.is_forgotten(rule, at));
    }

    #[test]
    fn d15_parallel_failures_are_no_more_than_the_free_ones(rule in rules(), asked in 1..200_usize) {
        let mut tally = Tally::default();
        let mut begun = 0;
        while begun < asked && tally.room(rule, NOW) == Room::Free {
            tally.reserve();
            begun += 1;
        }
        let most = match rule {
            Rule::Growing { free, .. } => free as usize,
            Rule::Leaky { burst, .. } => burst as usize,
            Rule::Following { .. } => usize::MAX,
        };
        prop_assert_eq!(begun, asked.min(most));
        for _ in 0..begun {
            tally.settle(rule, Outcome::Failure, NOW, 0);
        }
        let is_free = tally.room(rule, NOW) == Room::Free;
        prop_assert_eq!(is_free, begun < most);
    }
}
