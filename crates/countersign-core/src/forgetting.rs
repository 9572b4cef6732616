//! The time up to which things are forgotten for good: the clock's, but not at once where the clock was set forward.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::clock::{Stopwatch, Timestamp};

/// How many times faster than time passes what is forgotten may catch up with the clock. So a clock that is set forward and
/// back again has what is forgotten run ahead by no longer than it was wrong, however far that was.
const CATCHES_UP: u32 = 2;

/// What is forgotten does not come back when the clock does: a revocation that was forgotten because the clock stood a day
/// ahead would be undone.
///
/// A clock that was behind, and was set right, leaves things for as long again as it was behind, or until the program starts
/// anew. One that is wrong as the program starts is believed; the margin of what sweeps must do for that.
pub(crate) struct Forgetting {
    stopwatch: Option<Arc<dyn Stopwatch>>,
    reached: Mutex<Option<Reached>>,
}

/// A time that the clock showed, and when that was by the stopwatch.
#[derive(Clone, Copy)]
struct Reached {
    at: Timestamp,
    elapsed: Duration,
}

impl Forgetting {
    /// Goes by this stopwatch, or without one believes the clock.
    pub(crate) fn timed_by(stopwatch: Option<Arc<dyn Stopwatch>>) -> Self {
        Self { stopwatch, reached: Mutex::new(None) }
    }

    /// Up to when may be forgotten what has expired, where the clock shows `now`: never later than that.
    pub(crate) fn reaches(&self, now: Timestamp) -> Timestamp {
        let Some(stopwatch) = &self.stopwatch else { return now };
        // No thread leaves it half changed.
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = stopwatch.elapsed();
        let latest = reached.map(|then| then.at.plus(elapsed.saturating_sub(then.elapsed) * CATCHES_UP));
        match latest {
            Some(latest) if latest < now => latest,
            _ => {
                *reached = Some(Reached { at: now, elapsed });
                now
            }
        }
    }
}

impl fmt::Debug for Forgetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forgetting")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what a test sets.
    #[derive(Debug, Default)]
    struct Turned(Mutex<Duration>);

    impl Stopwatch for Turned {
        fn elapsed(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    const DAY: i64 = 86_400;

    /// Shows in turn: what the stopwatch and the clock show, and what may be forgotten, in seconds.
    #[track_caller]
    fn assert_reaches(shown: &[(u64, i64, i64)]) {
        let stopwatch = Arc::new(Turned::default());
        let forgetting = Forgetting::timed_by(Some(stopwatch.clone()));
        for (elapsed, now, reaches) in shown {
            *stopwatch.0.lock().unwrap() = Duration::from_secs(*elapsed);
            let reached = forgetting.reaches(Timestamp::from_seconds(*now)).seconds();
            assert_eq!(reached, *reaches, "after {elapsed} seconds, at {now}");
        }
    }

    #[test]
    fn n6_of_a_step_forward_no_more_is_believed_than_time_has_passed() {
        assert_reaches(&[(0, 1000, 1000), (10, 1010 + DAY, 1020), (40, 1040 + DAY, 1080), (50, 1050, 1050)]);
    }

    #[test]
    fn a_clock_that_stays_set_forward_is_caught_up_with() {
        assert_reaches(&[(0, 1000, 1000), (10, 1110, 1020), (100, 1200, 1200), (110, 1210, 1210)]);
    }

    #[test]
    fn n6_a_clock_that_was_set_back_is_believed_and_not_at_once_when_it_is_set_right() {
        assert_reaches(&[(0, DAY, DAY), (10, 10, 10), (20, DAY + 20, 30)]);
    }

    #[test]
    fn a_clock_that_nobody_sets_is_believed_to_the_second() {
        assert_reaches(&[(0, 1000, 1000), (1, 1001, 1001), (1, 1002, 1001), (2, 1002, 1002), (5000, 6000, 6000)]);
    }

    #[test]
    fn without_a_stopwatch_the_clock_is_believed() {
        let forgetting = Forgetting::timed_by(None);
        for now in [1000, 1000 + DAY, 0] {
            assert_eq!(forgetting.reaches(Timestamp::from_seconds(now)).seconds(), now);
        }
    }
}
