//! What becomes of a seed: a small mutator, the same each time, for where there is no libFuzzer.

/// The longest input, in bytes.
const MAX_BYTES: usize = 4 * 1024;

/// What grammars are made of.
const WORDS: [&[u8]; 28] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b".",
    b"$",
    b"=",
    b"&",
    b"%",
    b"+",
    b" ",
    b"\0",
    b"\n",
    b"\xff",
    b"\xf0\x9f\x8c\xb1",
    b"null",
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"\\u0000",
    b"\\ud800",
    b"%00",
    b"\xcc\x81",
    b"\xe2\x80\x8b",
    b"[[[[[[[[",
];

/// A source of numbers that anybody can repeat (xorshift64*).
pub(crate) struct Numbers(u64);

impl Numbers {
    /// The numbers that this one begins; it must not be 0.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() >> 16) as usize % end }
    }
}

/// One of `seeds`, changed in one to eight places.
pub(crate) fn mutated(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(8) {
        change(&mut input, seeds, numbers);
    }
    input.truncate(MAX_BYTES);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(input.len() + 1);
    let end = at + numbers.below((input.len() - at).min(16) + 1);
    match numbers.below(8) {
        0 if at < input.len() => input[at] ^= 1 << numbers.below(8),
        1 if at < input.len() => input[at] = numbers.below(256) as u8,
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => {
            let piece = input[at..end].to_vec();
            let many = if numbers.below(16) == 0 { 200 } else { 1 };
            input.splice(at..at, piece.repeat(many));
        }
        5 => {
            let other = &seeds[numbers.below(seeds.len())];
            input.splice(at.., other[numbers.below(other.len() + 1)..].iter().copied());
        }
        _ => drop(input.splice(at..end, WORDS[numbers.below(WORDS.len())].iter().copied())),
    }
}
