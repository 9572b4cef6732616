//! User names: one canonical form for each, by RFC 8265 §3.3.

use std::fmt;

use precis_core::profile::Rules;
use precis_profiles::UsernameCaseMapped;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_script::{Script, ScriptExtension, UnicodeScript};

use crate::precis::Class;

/// The longest name, in bytes of UTF-8, as written and in canonical form.
pub const MAX_USERNAME_BYTES: usize = 255;

/// A user name in its canonical form: the `UsernameCaseMapped` profile of RFC 8265 §3.3.
///
/// Two spellings of one name are equal: `Admin`, `ADMIN` and the full-width `ａｄｍｉｎ` are all `admin`, and `é` is one
/// letter, composed or not. Spaces, controls and everything invisible are refused.
///
/// The profile alone would let Cyrillic `аdmin` stand beside Latin `admin`. So a name must also be *highly restrictive*
/// (UTS #39 §5.2): each part between `@`s in one script, or in Latin with Chinese, Japanese or Korean. A name all in one
/// script that merely looks like another (`аԁміп`) is a different name, and no rule here can tell.
///
/// ```
/// use countersign_core::username::{Username, UsernameProblem};
///
/// assert_eq!(Username::parse("Müller")?.as_str(), "müller");
/// assert_eq!(Username::parse("Alice@Example.com")?.as_str(), "alice@example.com");
/// assert_eq!(Username::parse("\u{430}dmin"), Err(UsernameProblem::MixedScripts));
/// # Ok::<(), UsernameProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

impl Username {
    /// Reads a name as somebody wrote it and puts it into canonical form.
    ///
    /// # Errors
    /// Says what is wrong with the name; the words of [`UsernameProblem`] are fit for the person who typed it.
    pub fn parse(input: &str) -> Result<Self, UsernameProblem> {
        let mut name = enforce(input)?;
        // RFC 8264 §7: "an implementation SHOULD apply the rules repeatedly until the output string is stable"; if it is not
        // after three more times, reject it.
        for _ in 0..MAX_REAPPLICATIONS {
            let again = enforce(&name)?;
            if again == name {
                return if mixes_scripts(&name) { Err(UsernameProblem::MixedScripts) } else { Ok(Self(name)) };
            }
            name = again;
        }
        Err(UsernameProblem::Disallowed)
    }

    /// The canonical form: what is stored, compared and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something is not a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsernameProblem {
    /// Nothing was given.
    #[error("the user name is empty")]
    Empty,
    /// Longer than [`MAX_USERNAME_BYTES`].
    #[error("the user name is too long: {MAX_USERNAME_BYTES} bytes at most")]
    TooLong,
    /// It holds a space, a control or invisible character, or another that RFC 8265 §3.3 keeps out of names.
    #[error("the user name holds a character that is not allowed, such as a space or an invisible one")]
    Disallowed,
    /// It mixes scripts, and letters of different ones look alike.
    #[error("the user name mixes letters of several alphabets")]
    MixedScripts,
}

const MAX_REAPPLICATIONS: usize = 3;

/// One application of the rules of RFC 8265 §3.3, in the order of RFC 8264 §7, which puts the string class last: so that
/// canonically equivalent spellings fare alike, as U+212B (the ångström sign) does with `Å`.
fn enforce(input: &str) -> Result<String, UsernameProblem> {
    check_length(input)?;
    let name = UsernameCaseMapped::new().width_mapping_rule(input).map_err(|_| UsernameProblem::Disallowed)?;
    let name: String = name.to_lowercase().nfc().collect();
    if !obeys_bidi_rule(&name) || !Class::Identifier.allows(&name) {
        return Err(UsernameProblem::Disallowed);
    }
    check_length(&name)?;
    Ok(name)
}

/// The rule of RFC 5893 §2, which a name with right-to-left letters must obey.
///
/// The rule takes nonspacing marks anywhere but at the beginning and never asks what follows them. `precis-profiles` 0.2
/// refuses letters after one, and with that vowel points; so it does not get to see them.
fn obeys_bidi_rule(name: &str) -> bool {
    let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    let without_marks = rest.replace(is_nonspacing_mark, "");
    UsernameCaseMapped::new().directionality_rule(format!("{first}{without_marks}")).is_ok()
}

fn is_nonspacing_mark(c: char) -> bool {
    matches!(c.general_category(), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
}

fn check_length(name: &str) -> Result<(), UsernameProblem> {
    match name.len() {
        0 => Err(UsernameProblem::Empty),
        1..=MAX_USERNAME_BYTES => Ok(()),
        _ => Err(UsernameProblem::TooLong),
    }
}

/// Whether a part of `name` is less than highly restrictive (UTS #39 §5.2).
fn mixes_scripts(name: &str) -> bool {
    name.split('@').any(|part| {
        let not_latin = part.chars().filter(|c| !c.script_extension().contains_script(Script::Latin));
        resolve(part.chars()).is_empty() && !resolve(not_latin).is_east_asian()
    })
}

/// The scripts that could each have written the whole text: the *resolved script set* of UTS #39 §5.1.
struct ScriptSet {
    scripts: ScriptExtension,
    japanese: bool,
    korean: bool,
    chinese_with_bopomofo: bool,
}

impl ScriptSet {
    fn is_east_asian(&self) -> bool {
        self.japanese || self.korean || self.chinese_with_bopomofo
    }

    fn is_empty(&self) -> bool {
        self.scripts.is_empty() && !self.is_east_asian()
    }
}

fn resolve(text: impl Iterator<Item = char>) -> ScriptSet {
    let everything =
        ScriptSet { scripts: Script::Common.into(), japanese: true, korean: true, chinese_with_bopomofo: true };
    text.map(|c| c.script_extension()).filter(|of| !of.is_common() && !of.is_inherited()).fold(everything, |set, of| {
        let any = |scripts: &[Script]| scripts.iter().any(|s| of.contains_script(*s));
        ScriptSet {
            scripts: set.scripts.intersection(of),
            japanese: set.japanese && any(&[Script::Han, Script::Hiragana, Script::Katakana]),
            korean: set.korean && any(&[Script::Han, Script::Hangul]),
            chinese_with_bopomofo: set.chinese_with_bopomofo && any(&[Script::Han, Script::Bopomofo]),
        }
    })
}
