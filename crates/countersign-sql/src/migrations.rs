//! Which steps a database still needs: the numbered files, their checksums, and the refusal of what we do not know.

use sha2::{Digest, Sha256};

use crate::{hex, open_error::OpenError};

/// One step of the schema: the text of one file. Its version is its place in the list, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration(&'static str);

/// What a database says of one step that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) checksum: String,
}

/// The next step to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) applied: Applied,
    pub(crate) text: &'static str,
}

impl Migration {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// SHA-256 in hex. Carriage returns do not count: a checkout with other line ends is the same schema.
    fn checksum(self) -> String {
        let text: Vec<u8> = self.0.bytes().filter(|byte| *byte != b'\r').collect();
        hex::encode(&Sha256::digest(text))
    }
}

/// The first of `known` that is not in `applied`, which is ordered by version.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::AlteredSchema`]: nothing may be done to this database.
pub(crate) fn next(known: &[Migration], applied: &[Applied]) -> Result<Option<Pending>, OpenError> {
    let last_known = version(known.len());
    if let Some(last) = applied.last().filter(|last| last.version > last_known) {
        return Err(OpenError::NewerSchema { found: last.version, known: last_known });
    }
    for (i, migration) in known.iter().enumerate() {
        let expected = Applied { version: version(i + 1), checksum: migration.checksum() };
        match applied.get(i) {
            None => return Ok(Some(Pending { applied: expected, text: migration.0 })),
            Some(found) if *found != expected => return Err(OpenError::AlteredSchema { version: expected.version }),
            Some(_) => {}
        }
    }
    Ok(None)
}

fn version(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Migration; 2] = [Migration::new("first;\n"), Migration::new("second;\n")];

    fn applied(version: i64, migration: Migration) -> Applied {
        Applied { version, checksum: migration.checksum() }
    }

    #[test]
    fn n8_a_newer_altered_or_missing_step_is_refused() {
        let [first, second] = [applied(1, KNOWN[0]), applied(2, KNOWN[1])];
        let third = applied(3, KNOWN[1]);
        let newer = next(&KNOWN, &[first.clone(), second.clone(), third]);
        assert!(matches!(newer, Err(OpenError::NewerSchema { found: 3, known: 2 })), "{newer:?}");
        let altered = next(&KNOWN, &[applied(1, KNOWN[1])]);
        assert!(matches!(altered, Err(OpenError::AlteredSchema { version: 1 })), "{altered:?}");
        let missing = next(&KNOWN, &[second]);
        assert!(matches!(missing, Err(OpenError::AlteredSchema { version: 1 })), "{missing:?}");
    }

    #[test]
    fn steps_are_made_in_order_until_none_is_left() {
        let mut done = Vec::new();
        while let Some(pending) = next(&KNOWN, &done).unwrap() {
            done.push(pending.applied);
        }
        assert_eq!(done, [applied(1, KNOWN[0]), applied(2, KNOWN[1])]);
    }

    #[test]
    fn line_ends_do_not_change_a_checksum() {
        assert_eq!(Migration::new("a;\r\nb;\r\n").checksum(), Migration::new("a;\nb;\n").checksum());
        assert_ne!(Migration::new("a;").checksum(), Migration::new("b;").checksum());
    }
}
