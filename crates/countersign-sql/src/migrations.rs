//! Which steps a database still needs: the numbered files, their checksums, and which programs work beside steps that they do
//! not know.
//!
//! # How to add a step
//! While servers are updated one after the other, programs of two versions use the same tables, and one that is put back does
//! too. So a step *adds*: tables, indexes, columns that may be NULL or have a default. It says the oldest version of the schema
//! whose programs still work beside it, and the database keeps that ([`Applied::welcomes`]). What nobody uses any more is taken
//! away by a step of a later release, which welcomes nobody who used it. A value of a new kind in a column that is there already
//! is written a release after it can be read. `tests/it/migrations.rs` holds each step that welcomes older programs to this.

use sha2::{Digest, Sha256};

use crate::{hex, open_error::OpenError};

/// One step of the schema. Its version is its place in the list, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// The oldest version of the schema whose programs work beside it: its own, if none that do not know it do.
    welcomes: i64,
    /// The text of one file.
    text: &'static str,
}

/// What a database says of one step that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) checksum: String,
    /// The oldest version of the schema whose programs work beside it.
    pub(crate) welcomes: i64,
}

/// What there is to do before a database is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This step.
    Make(Pending),
    /// Nothing.
    Use(Schema),
}

/// The next step to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) applied: Applied,
    pub(crate) text: &'static str,
}

/// Which version the tables of a database have, and which one this program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// That of the database: higher than `known` if a newer program made it that lets this one work beside it.
    pub found: i64,
    /// The last one that this program knows.
    pub known: i64,
}

impl Schema {
    /// Whether a newer program made the tables.
    #[must_use]
    pub const fn is_newer(self) -> bool {
        self.found > self.known
    }

    /// Says in the log that a newer program made the tables, if one did.
    pub(crate) fn tell(self) {
        if self.is_newer() {
            let Self { found, known } = self;
            tracing::info!(
                event = "database",
                outcome = "newer_schema",
                version = found,
                known,
                "a newer program made the tables, and lets this one work beside it"
            );
        }
    }

    /// Whether this program knows all that there is, as who moves or ends all of it must.
    ///
    /// # Errors
    /// [`OpenError::UnlikeSchema`].
    pub(crate) const fn check_known(self) -> Result<(), OpenError> {
        if self.is_newer() {
            return Err(OpenError::UnlikeSchema { found: self.found, known: self.known });
        }
        Ok(())
    }
}

impl Migration {
    pub(crate) const fn new(welcomes: i64, text: &'static str) -> Self {
        Self { welcomes, text }
    }

    /// SHA-256 in hex. Carriage returns do not count: a checkout with other line ends is the same schema.
    fn checksum(self) -> String {
        let text: Vec<u8> = self.text.bytes().filter(|byte| *byte != b'\r').collect();
        hex::encode(&Sha256::digest(text))
    }
}

/// The first of `known` that is not in `applied`, which is ordered by version. Steps after the last of `known` are a newer
/// program's: all of them must welcome this one.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::AlteredSchema`]: nothing may be done to this database.
pub(crate) fn next(known: &[Migration], applied: &[Applied]) -> Result<Next, OpenError> {
    let mut applied = applied.iter();
    for (version, migration) in (1..).zip(known) {
        let (checksum, welcomes) = (migration.checksum(), migration.welcomes);
        match applied.next() {
            None => {
                let applied = Applied { version, checksum, welcomes };
                return Ok(Next::Make(Pending { applied, text: migration.text }));
            }
            Some(found) if (found.version, &found.checksum) != (version, &checksum) => {
                return Err(OpenError::AlteredSchema { version });
            }
            Some(_) => {}
        }
    }
    let known = i64::try_from(known.len()).unwrap_or(i64::MAX);
    let (mut found, mut oldest) = (known, known);
    for step in applied {
        // Of one that is missing nobody knows whom it welcomes.
        if step.version != found + 1 {
            return Err(OpenError::AlteredSchema { version: found + 1 });
        }
        (found, oldest) = (step.version, oldest.max(step.welcomes));
    }
    if oldest > known {
        return Err(OpenError::NewerSchema { found, known, oldest });
    }
    Ok(Next::Use(Schema { found, known }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Migration; 2] = [Migration::new(1, "first;\n"), Migration::new(1, "second;\n")];

    fn applied(version: i64, migration: Migration) -> Applied {
        Applied { version, checksum: migration.checksum(), welcomes: migration.welcomes }
    }

    /// What a newer program says of its steps: their versions, and whom each welcomes.
    fn beside(later: &[(i64, i64)]) -> Result<Next, OpenError> {
        let later = later.iter().map(|&(version, welcomes)| Applied { version, checksum: String::new(), welcomes });
        let all: Vec<_> = [applied(1, KNOWN[0]), applied(2, KNOWN[1])].into_iter().chain(later).collect();
        next(&KNOWN, &all)
    }

    #[test]
    fn n8_a_newer_step_that_does_not_welcome_this_program_is_refused() {
        // Each must welcome it: also one that another came after.
        for (later, found, oldest) in [
            (&[(3, 3)][..], 3, 3),
            (&[(3, i64::MAX)], 3, i64::MAX),
            (&[(3, 1), (4, 3)], 4, 3),
            (&[(3, 3), (4, 1)], 4, 3),
            (&[(3, 2), (4, 4), (5, 3)], 5, 4),
        ] {
            let refused = beside(later).unwrap_err();
            let OpenError::NewerSchema { found: f, known: 2, oldest: o } = refused else { panic!("{refused:?}") };
            assert_eq!((f, o), (found, oldest), "{later:?}");
        }
    }

    #[test]
    fn n8_newer_steps_that_welcome_this_program_change_nothing_for_it() {
        for (later, found) in [(&[][..], 2), (&[(3, 2)], 3), (&[(3, 1), (4, 2)], 4)] {
            assert_eq!(beside(later).unwrap(), Next::Use(Schema { found, known: 2 }), "{later:?}");
        }
    }

    #[test]
    fn n8_an_altered_or_missing_step_is_refused() {
        let [first, second] = [applied(1, KNOWN[0]), applied(2, KNOWN[1])];
        let altered = next(&KNOWN, &[applied(1, KNOWN[1])]);
        assert!(matches!(altered, Err(OpenError::AlteredSchema { version: 1 })), "{altered:?}");
        let missing = next(&KNOWN, &[second]);
        assert!(matches!(missing, Err(OpenError::AlteredSchema { version: 1 })), "{missing:?}");
        let third = Applied { version: 3, welcomes: 1, ..first.clone() };
        let missing = next(&KNOWN, &[first, third]);
        assert!(matches!(missing, Err(OpenError::AlteredSchema { version: 2 })), "{missing:?}");
        let missing = beside(&[(4, 1)]);
        assert!(matches!(missing, Err(OpenError::AlteredSchema { version: 3 })), "{missing:?}");
    }

    #[test]
    fn steps_are_made_in_order_until_none_is_left() {
        let mut done = Vec::new();
        while let Next::Make(pending) = next(&KNOWN, &done).unwrap() {
            done.push(pending.applied);
        }
        assert_eq!(done, [applied(1, KNOWN[0]), applied(2, KNOWN[1])]);
    }

    #[test]
    fn whom_a_step_welcomes_is_no_part_of_its_text() {
        let corrected = Applied { welcomes: 2, ..applied(2, KNOWN[1]) };
        assert!(next(&KNOWN, &[applied(1, KNOWN[0]), corrected]).is_ok());
    }

    #[test]
    fn line_ends_do_not_change_a_checksum() {
        assert_eq!(Migration::new(1, "a;\r\nb;\r\n").checksum(), Migration::new(1, "a;\nb;\n").checksum());
        assert_ne!(Migration::new(1, "a;").checksum(), Migration::new(1, "b;").checksum());
    }
}
