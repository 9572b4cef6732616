//! Hashes as hexadecimal text.

/// How many digits a byte has.
const DIGITS: usize = 2;

/// In lower case.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// Exactly 32 bytes, in either case.
pub(crate) fn decode(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // `from_str_radix` alone would also take a sign.
    if text.len() != DIGITS * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, i) in bytes.iter_mut().zip((0..).step_by(DIGITS)) {
        *byte = u8::from_str_radix(text.get(i..i + DIGITS)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_hexadecimal_digits_are_a_hash() {
        for bad in [String::new(), "0".repeat(63), "0".repeat(65), "+0".repeat(32), "0g".repeat(32), "é".repeat(32)] {
            assert_eq!(decode(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let bytes = std::array::from_fn(|i| 251 - i as u8);
        assert_eq!(encode(&[0, 0x7f, 0xff]), "007fff");
        assert_eq!(decode(&encode(&bytes)), Some(bytes));
    }
}
