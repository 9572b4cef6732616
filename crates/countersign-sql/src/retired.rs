//! Refresh tokens that were used, packed into one column: each the hash, the time, and the length of the sealed answer.

use countersign_core::{clock::Timestamp, grant_record::Retired, refresh_token::SealedAnswer, store::HandleHash};

pub(crate) fn write(retired: &[Retired]) -> Vec<u8> {
    let mut packed = Vec::new();
    for Retired { handle, at, answer } in retired {
        let answer = answer.as_bytes();
        packed.extend_from_slice(handle.as_bytes());
        packed.extend_from_slice(&at.seconds().to_be_bytes());
        // What is sealed is two tokens, a few kilobytes.
        packed.extend_from_slice(&u32::try_from(answer.len()).unwrap_or(u32::MAX).to_be_bytes());
        packed.extend_from_slice(answer);
    }
    packed
}

/// `None` if it was not we who wrote it.
pub(crate) fn read(mut packed: &[u8]) -> Option<Vec<Retired>> {
    let mut retired = Vec::new();
    while !packed.is_empty() {
        let (handle, rest) = packed.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (answer, rest) = rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
        retired.push(Retired {
            handle: HandleHash::from_bytes(*handle),
            at: Timestamp::from_seconds(i64::from_be_bytes(*at)),
            answer: SealedAnswer::from_bytes(answer.to_vec()),
        });
        packed = rest;
    }
    Some(retired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(seconds: i64, answer: &[u8]) -> Retired {
        Retired {
            handle: HandleHash::of("a"),
            at: Timestamp::from_seconds(seconds),
            answer: SealedAnswer::from_bytes(answer.to_vec()),
        }
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        let packed = write(&[one(1, b"sealed")]);
        for end in 1..packed.len() {
            assert!(read(&packed[..end]).is_none(), "{end}");
        }
        assert!(read(&[&packed[..], &[0]].concat()).is_none());
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        for all in [vec![], vec![one(-1, b"")], vec![one(1, b"sealed"), one(i64::MAX, &[7; 2000])]] {
            assert_eq!(read(&write(&all)), Some(all));
        }
    }
}
