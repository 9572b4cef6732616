//! Spreads the names of what is remembered over a table, by a key of its own: cheaper than what the standard library does.

use std::hash::{BuildHasher, Hash, Hasher};

use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::clock::Rng;

/// A bounded memory whose names are spread by [`Spread`].
pub(crate) type Remembered<K, V> = Cache<K, V, UnitWeighter, Spread>;

/// A memory of at most so many.
pub(crate) fn remembered<K: Hash + Eq, V: Clone>(most: usize, rng: &dyn Rng) -> Remembered<K, V> {
    Cache::with(most, most as u64, UnitWeighter, Spread::new(rng), DefaultLifecycle::default())
}

/// How names are spread: each word is multiplied under a secret of this table, and the halves of the product are folded.
///
/// It tells nothing apart, which the names themselves do; it keeps those who do not know the secret from choosing many names
/// for one place. It is for names that we chose, or a keyed hash did.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    start: u64,
    factor: u64,
}

impl Spread {
    fn new(rng: &dyn Rng) -> Self {
        let [mut start, mut factor] = [[0; 8]; 2];
        rng.fill(&mut start);
        rng.fill(&mut factor);
        // An odd number loses nothing of what it is multiplied with.
        Self { start: u64::from_ne_bytes(start), factor: u64::from_ne_bytes(factor) | 1 }
    }
}

impl BuildHasher for Spread {
    type Hasher = Spreading;

    fn build_hasher(&self) -> Spreading {
        Spreading { state: self.start, factor: self.factor }
    }
}

/// A name while it is read.
pub(crate) struct Spreading {
    state: u64,
    factor: u64,
}

impl Hasher for Spreading {
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        self.state = (product >> u64::BITS) as u64 ^ product as u64;
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(last));
        }
    }

    fn finish(&self) -> u64 {
        // Once more, so that all bits hang on all.
        let product = u128::from(self.state) * u128::from(self.factor);
        (product >> u64::BITS) as u64 ^ product as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::System;

    #[test]
    fn names_are_spread_evenly_and_otherwise_in_every_table() {
        let (one, other) = (Spread::new(&System), Spread::new(&System));
        let names: Vec<String> = (0..4096).map(|number| format!("subject-{number}")).collect();
        let places = |spread: Spread| names.iter().map(move |name| spread.hash_one(name)).collect::<Vec<_>>();
        assert_eq!(places(one), places(one));
        assert!(places(one).iter().zip(places(other)).all(|(one, other)| *one != other));
        // Of 4096 thrown into as many, 1 - 1/e find an empty one: 2589, give or take 30.
        for shift in [0, 20, 52] {
            let hit: HashSet<u64> = places(one).iter().map(|place| place >> shift & 4095).collect();
            assert!((2350..=2850).contains(&hit.len()), "{shift}: {}", hit.len());
        }
    }

    #[test]
    fn every_byte_of_a_name_counts() {
        let spread = Spread::new(&System);
        for length in [1, 7, 8, 9, 16, 22] {
            let name = vec![b'a'; length];
            let changed = (0..length).map(|at| {
                let mut changed = name.clone();
                changed[at] = b'b';
                spread.hash_one(changed)
            });
            let places: HashSet<u64> = changed.chain([spread.hash_one(&name)]).collect();
            assert_eq!(places.len(), length + 1);
        }
    }
}
