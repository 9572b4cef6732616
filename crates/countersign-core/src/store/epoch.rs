//! Epochs: what a store does once it was put back to an earlier state, so that the past stays powerless.

use crate::clock::Timestamp;

/// How many numbers of the feed belong to each second of an epoch's beginning, in bits: a million, more than any store gives.
const NUMBERS_A_SECOND: u32 = 20;

/// How far the numbers of an epoch are from those before at least, whatever the clock says.
const LEAP: u64 = 1 << 32;

/// What a store says of an epoch that it [began](super::Feed::begin_epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// The number of its first entry in the feed.
    pub number: u64,
    /// How many grants ended.
    pub grants: usize,
    /// How many opaque access tokens ended.
    pub opaque_tokens: usize,
    /// How many one-time things are good for no use any more.
    pub one_time: usize,
    /// How many keys were withdrawn.
    pub keys: usize,
}

impl Epoch {
    /// The first number of an epoch that begins at `now` in a feed whose `last` number was this.
    ///
    /// The store may have given higher ones, of which it knows nothing any more. So the number is made of the time: more
    /// than were given until then, and another each time that the same copy is put back. It stays below 2^53, where
    /// numbers in JSON are whole, for two hundred years.
    #[must_use]
    pub const fn first_number(last: u64, now: Timestamp) -> u64 {
        let (leap, by_time) = (last.saturating_add(LEAP), now.seconds().unsigned_abs() << NUMBERS_A_SECOND);
        if by_time > leap { by_time } else { leap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn i8_the_numbers_of_an_epoch_are_above_any_that_were_given() {
        let (first, second) =
            (Epoch::first_number(7, NOW), Epoch::first_number(7, Timestamp::from_seconds(1_800_000_001)));
        assert_eq!(first, 1_800_000_000 << 20);
        assert_eq!(second - first, 1 << 20, "the same copy is put back again");
        for now in [NOW, Timestamp::from_seconds(0), Timestamp::from_seconds(-1)] {
            assert!(Epoch::first_number(first, now) >= first + (1 << 32), "a clock that went back");
        }
        assert!(Epoch::first_number(0, Timestamp::from_seconds(8_000_000_000)) < 1 << 53, "in the year 2223");
        assert_eq!(Epoch::first_number(u64::MAX, NOW), u64::MAX);
    }
}
