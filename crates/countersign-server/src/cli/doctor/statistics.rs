//! Whether two samples of times can be told apart: Welch's t, and a confidence interval of the difference of medians.

/// The t above which dudect (Reparaz, Balasch, Verbauwhede, 2017) calls a difference proven.
pub(super) const MOST_T: f64 = 4.5;

/// The difference that nobody measures over a network, in nanoseconds.
const INDIFFERENT: f64 = 1e6;

/// The same as a part of the whole.
const INDIFFERENT_PART: f64 = 0.01;

/// How many times the samples are drawn anew for the interval.
pub(super) const RESAMPLES: usize = 2_000;

/// The first number of the sequence that draws them, so that the same samples give the same interval.
const SEED: u64 = 1;

/// What comes of comparing a sample with the reference. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comparison {
    /// The median less that of the reference.
    pub(super) difference: f64,
    /// The bounds of its 95 % confidence interval.
    pub(super) interval: (f64, f64),
    /// Welch's t of the means.
    pub(super) t: f64,
    pub(super) verdict: Verdict,
}

/// Whether two samples can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They cannot: |t| < 4.5, and the interval is within 1 ms or 1 % of the median.
    Alike,
    /// They can.
    Different,
    /// The interval is too wide to say: more probes, or a quieter machine, would tell.
    Undecided,
}

impl Comparison {
    pub(super) fn of(reference: &[f64], sample: &[f64]) -> Self {
        let median_of_reference = median(&mut reference.to_vec());
        let difference = median(&mut sample.to_vec()) - median_of_reference;
        let interval = interval(reference, sample);
        let t = welch(sample, reference);
        let bound = bound(median_of_reference);
        let verdict = if t.abs() >= MOST_T || interval.0 > bound || interval.1 < -bound {
            Verdict::Different
        } else if interval.0 >= -bound && interval.1 <= bound {
            Verdict::Alike
        } else {
            Verdict::Undecided
        };
        Self { difference, interval, t, verdict }
    }
}

/// The difference that does not matter beside this median.
pub(super) fn bound(median: f64) -> f64 {
    (median * INDIFFERENT_PART).max(INDIFFERENT)
}

/// The median; NaN of nothing.
pub(super) fn median(sample: &mut [f64]) -> f64 {
    if sample.is_empty() {
        return f64::NAN;
    }
    let (is_even, middle) = (sample.len().is_multiple_of(2), sample.len() / 2);
    let (below, upper, _) = sample.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if is_even => lower.midpoint(*upper),
        _ => *upper,
    }
}

/// Welch's t of the means of two samples, which may differ in variance and size.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (Moments::of(a), Moments::of(b));
    let difference = a.mean - b.mean;
    if difference == 0.0 { 0.0 } else { difference / (a.variance_of_mean + b.variance_of_mean).sqrt() }
}

struct Moments {
    mean: f64,
    variance_of_mean: f64,
}

impl Moments {
    fn of(sample: &[f64]) -> Self {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, variance_of_mean: squares / (count - 1.0) / count }
    }
}

/// The 95 % confidence interval of the difference of medians, by the percentile bootstrap (Efron, 1979).
fn interval(reference: &[f64], sample: &[f64]) -> (f64, f64) {
    let mut sequence = Sequence(SEED);
    let (mut drawn_reference, mut drawn) = (vec![0.0; reference.len()], vec![0.0; sample.len()]);
    let mut differences: Vec<_> = (0..RESAMPLES)
        .map(|_| {
            sequence.draw(reference, &mut drawn_reference);
            sequence.draw(sample, &mut drawn);
            median(&mut drawn) - median(&mut drawn_reference)
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    let outside = RESAMPLES / 40;
    (differences[outside], differences[RESAMPLES - 1 - outside])
}

/// A sequence that looks random and can be had again: SplitMix64 (Steele, Lea, Flood, 2014). No secret is made of it.
#[derive(Debug)]
pub(super) struct Sequence(pub(super) u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is no more than some thousands: what the division leaves uneven does not show.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn draw(&mut self, from: &[f64], to: &mut [f64]) {
        to.fill_with(|| from[self.below(from.len())]);
    }

    /// Puts values into any order, each as likely as another (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many times around a middle, in nanoseconds.
    fn around(middle: f64, spread: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut sequence = Sequence(seed);
        (0..count).map(|_| middle + spread * (sequence.below(2001) as f64 / 1000.0 - 1.0)).collect()
    }

    #[track_caller]
    fn assert_close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_close(median(&mut [3.0]), 3.0);
        assert_close(median(&mut [9.0, 1.0, 5.0]), 5.0);
        assert_close(median(&mut [9.0, 1.0, 5.0, 6.0]), 5.5);
        assert_close(median(&mut [2.0, 2.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn welchs_t_is_that_of_known_samples() {
        // Both by a statistics program; the variances and sizes of the second pair differ much.
        assert_close(welch(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 5.0, 6.0]), -2.190_890_230_020_664);
        assert_close(welch(&[10.0, 20.0, 60.0], &[5.0, 5.5, 6.0, 6.5, 7.0]), 1.570_748_129_926_412);
        assert_close(welch(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert!(welch(&[2.0, 2.0], &[1.0, 1.0]).is_infinite());
        assert_close(welch(&[1.0, 1.0], &[1.0, 1.0]), 0.0);
    }

    #[test]
    fn the_interval_holds_the_difference_and_is_the_same_again() {
        let (a, b) = (around(15e6, 1e6, 400, 1), around(20e6, 1e6, 400, 2));
        let (low, high) = interval(&a, &b);
        assert!(low < high && (4.7e6..5e6).contains(&low) && (5e6..5.3e6).contains(&high), "{low} {high}");
        assert_eq!(interval(&a, &b), (low, high));
        assert_eq!(interval(&[7.0; 9], &[9.0; 9]), (2.0, 2.0));
        let few = interval(&a[..20], &b[..20]);
        assert!(few.1 - few.0 > 2.0 * (high - low), "fewer tell less: {few:?}");
    }

    #[test]
    fn d12_what_does_not_differ_cannot_be_told_apart() {
        let comparison = Comparison::of(&around(15e6, 2e6, 300, 1), &around(15e6, 2e6, 300, 2));
        assert_eq!(comparison.verdict, Verdict::Alike, "{comparison:?}");
    }

    #[test]
    fn d12_what_differs_is_told_apart() {
        let reference = around(15e6, 2e6, 300, 1);
        // Two milliseconds more, none of the hashing, and a tenth of a millisecond with hardly any noise.
        for (middle, spread) in [(17e6, 2e6), (13e6, 2e6), (0.3e6, 0.1e6)] {
            let comparison = Comparison::of(&reference, &around(middle, spread, 300, 2));
            assert_eq!(comparison.verdict, Verdict::Different, "{comparison:?}");
        }
        let quiet = Comparison::of(&around(15e6, 0.1e6, 300, 1), &around(15.1e6, 0.1e6, 300, 2));
        assert_eq!(quiet.verdict, Verdict::Different, "by t alone: {quiet:?}");
        // A mean that many slow ones spoil says nothing, the medians do.
        let slow = |middle: f64| [vec![middle; 95], vec![middle * 1e4; 5]].concat();
        let spoilt = Comparison::of(&slow(15e6), &slow(18e6));
        assert!(spoilt.t.abs() < MOST_T && spoilt.verdict == Verdict::Different, "by the interval alone: {spoilt:?}");
    }

    #[test]
    fn d12_too_few_probes_prove_nothing() {
        let comparison = Comparison::of(&around(15e6, 8e6, 6, 1), &around(15e6, 8e6, 6, 4));
        assert_eq!(comparison.verdict, Verdict::Undecided, "{comparison:?}");
    }

    #[test]
    fn d12_one_percent_of_a_long_time_is_nothing() {
        let reference = around(500e6, 60e6, 300, 1);
        let comparison = Comparison::of(&reference, &around(501e6, 60e6, 300, 2));
        let bound = bound(median(&mut reference.clone()));
        assert!(bound > 4.9e6 && comparison.interval.1.abs().max(comparison.interval.0.abs()) > 1e6, "{comparison:?}");
    }

    #[test]
    fn an_order_has_all_values_and_is_another_each_time() {
        let mut sequence = Sequence(7);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let mut values = [1, 2, 3];
            sequence.shuffle(&mut values);
            assert!(seen.insert(values) || seen.len() <= 6);
            values.sort_unstable();
            assert_eq!(values, [1, 2, 3]);
        }
        assert_eq!(seen.len(), 6, "all orders come up");
    }
}
