//! Which passwords may be set: long enough, not common, not made of the context.

use std::cmp::Ordering;

use thiserror::Error;
use zeroize::Zeroizing;

use super::Password;

/// What a new password must fulfil. Nothing of this is asked of a password at login.
///
/// Length and blocklists, and no rules of composition, hints or expiry: NIST SP 800-63B-4 §3.1.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The shortest password, in characters (Unicode code points after preparation).
    ///
    /// Default: 8, the least that NIST SP 800-63B-4 §3.1.1.2 allows beside a second factor. Where the password is the only
    /// factor the same section asks for 15. The most is [`MAX_PASSWORD_BYTES`](super::MAX_PASSWORD_BYTES), for everyone.
    pub minimum_length: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { minimum_length: 8 }
    }
}

impl PasswordPolicy {
    /// Checks a password that somebody wants to set.
    ///
    /// `context` holds what an attacker who knows the user tries first: the user name, the e-mail address, the issuer's name.
    /// A password is refused if it contains one of them, in any letter case and with the usual digits and signs for letters
    /// (`@l1c3` is `alice`); words of fewer than four characters only if nothing but digits and signs stands around them. Of
    /// an address the part before the `@` counts too.
    ///
    /// # Errors
    /// The first rule that it breaks; the words of [`PolicyRefusal`] are fit for the person who typed it.
    pub fn check(&self, password: &Password, context: &[&str]) -> Result<(), PolicyRefusal> {
        let typed = Zeroizing::new(password.secret().to_lowercase());
        if password.secret().chars().count() < self.minimum_length {
            return Err(PolicyRefusal::TooShort { minimum: self.minimum_length });
        }
        if is_common(&typed) {
            return Err(PolicyRefusal::Common);
        }
        let words =
            context.iter().flat_map(|word| [Some(*word), word.split_once('@').map(|(local_part, _)| local_part)]);
        if words.flatten().any(|word| is_derived(&typed, &word.to_lowercase())) {
            return Err(PolicyRefusal::ContainsContext);
        }
        Ok(())
    }
}

/// Why a password may not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyRefusal {
    /// Shorter than the policy's minimum.
    #[error("the password is too short: {minimum} characters at least")]
    TooShort {
        /// The least number of characters.
        minimum: usize,
    },
    /// Among the passwords that everybody tries first.
    #[error("the password is one of the most common ones")]
    Common,
    /// On a list of known passwords that was added to the common ones: a [`Blocklist`](super::Blocklist).
    #[error("the password is on a list of known passwords")]
    Listed,
    /// Made from the user's name, their e-mail address or the name of this service.
    #[error("the password contains the user name, the e-mail address or the name of this service")]
    ContainsContext,
}

/// The most common passwords of eight and more bytes: lower case, one a line, in the order of their bytes.
/// Source and licence: `common-passwords.NOTICE` beside it.
const COMMON_PASSWORDS: &str = include_str!("common-passwords.txt");

/// Context words shorter than this, in characters, appear by chance within good passwords.
const MIN_CONTAINED_CHARACTERS: usize = 4;

/// Looks a lower-case password up, halving the list as it stands in the program.
fn is_common(typed: &str) -> bool {
    let is_newline = |byte: &u8| *byte == b'\n';
    let mut list = COMMON_PASSWORDS.as_bytes().trim_ascii_end();
    while !list.is_empty() {
        // The line around the middle.
        let (before, after) = list.split_at(list.len() / 2);
        let start = before.iter().rposition(is_newline).map_or(0, |newline| newline + 1);
        let end = after.iter().position(is_newline).map_or(list.len(), |length| before.len() + length);
        match typed.as_bytes().cmp(&list[start..end]) {
            Ordering::Equal => return true,
            Ordering::Less => list = list[..start].trim_ascii_end(),
            Ordering::Greater => list = list[end..].trim_ascii_start(),
        }
    }
    false
}

/// Whether a password is made from a word; both in lower case.
fn is_derived(typed: &str, word: &str) -> bool {
    [word, core(word)].map(fold).iter().any(|word| {
        if word.chars().count() >= MIN_CONTAINED_CHARACTERS {
            fold(typed).contains(word.as_str())
        } else {
            !word.is_empty() && [typed, core(typed)].map(fold).contains(word)
        }
    })
}

/// A text without the digits and signs around it.
fn core(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphabetic())
}

/// Letters for the digits and signs that stand for them, and no other signs. `l` becomes `i` too, since `1` stands for both.
fn fold(text: &str) -> Zeroizing<String> {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' | 'l' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        _ => c,
    };
    let mut folded = Zeroizing::new(String::with_capacity(text.len()));
    folded.extend(text.chars().map(letter).filter(|c| c.is_alphanumeric()));
    folded
}

#[cfg(test)]
mod tests {
    use super::{COMMON_PASSWORDS, Password, PasswordPolicy, PolicyRefusal};

    #[track_caller]
    fn check(typed: &str, context: &[&str]) -> Result<(), PolicyRefusal> {
        PasswordPolicy::default().check(&Password::typed(typed).expect("a password"), context)
    }

    #[test]
    fn d9_seven_characters_are_refused_and_eight_are_not() {
        assert_eq!(check("gfqzkwv", &[]), Err(PolicyRefusal::TooShort { minimum: 8 }));
        assert_eq!(check("gfqzkwvu", &[]), Ok(()));
        assert_eq!(check("ééééééé", &[]), Err(PolicyRefusal::TooShort { minimum: 8 }), "characters, not bytes");
        assert_eq!(check("e\u{301}e\u{301}e\u{301}e\u{301}", &[]), Err(PolicyRefusal::TooShort { minimum: 8 }));
        assert_eq!(check("🦀🐎🔋📎🧀🥨🪐🫀", &[]), Ok(()));
        let minimum = PolicyRefusal::TooShort { minimum: 8 };
        assert_eq!(minimum.to_string(), "the password is too short: 8 characters at least");
        let strict = PasswordPolicy { minimum_length: 15 };
        let fourteen = Password::typed("gfqzkwvugfqzkw").expect("a password");
        assert_eq!(strict.check(&fourteen, &[]), Err(PolicyRefusal::TooShort { minimum: 15 }));
    }

    #[test]
    fn d9_sixty_four_and_more_characters_are_accepted() {
        assert_eq!(check(&"gfqzkwvu".repeat(8), &[]), Ok(()));
        assert_eq!(check(&"gfqzkwvu".repeat(128), &[]), Ok(()));
    }

    #[test]
    fn d10_no_rule_asks_for_digits_signs_or_capitals() {
        assert_eq!(check("xkqwvzjmhyutbrp", &["alice", "example"]), Ok(()));
        assert_eq!(check("correct horse battery staple", &["alice"]), Ok(()));
    }

    #[test]
    fn d11_every_common_password_is_refused_in_any_letter_case() {
        let mut entries = 0;
        let mut last = "";
        for entry in COMMON_PASSWORDS.lines() {
            assert!(last < entry, "{last:?} stands before {entry:?}");
            let characters = entry.chars().count();
            let refusal = if characters < 8 { PolicyRefusal::TooShort { minimum: 8 } } else { PolicyRefusal::Common };
            assert_eq!(check(entry, &[]), Err(refusal), "{entry}");
            assert_eq!(check(&entry.to_uppercase(), &[]), Err(refusal), "{entry}");
            entries += 1;
            last = entry;
        }
        assert_eq!(entries, 8_359, "all that Django ships");
        assert_eq!(check("passwor", &[]), Err(PolicyRefusal::TooShort { minimum: 8 }));
        assert_eq!(check("zzzzzzzzzzzzzzzzzzzzzzz", &[]), Ok(()), "after the last entry");
        assert_eq!(check("!!!!!!!!!!!!!!!", &[]), Ok(()), "before the first entry");
    }

    #[test]
    fn d11_what_is_made_of_the_context_is_refused() {
        let context = ["alice.liddell", "Wonder.Land@example.com", "Countersign", "bob", "hatter1865"];
        for typed in [
            "alice.liddell",
            "AliceLiddell",
            "@l1c3.l1dd3ll",
            "123alice_liddell!!",
            "Aliceliddell2024",
            "my wonderland pass",
            "w0nd3rl4nd99",
            "Wonder.Land@example.com",
            "c0unter$ign!",
            "xXcountersignXx",
            "bob27918",
            "1234-b0b-1234",
            "madhatter7",
        ] {
            assert_eq!(check(typed, &context), Err(PolicyRefusal::ContainsContext), "{typed}");
        }
        for typed in ["kabobs on a grill", "liddell and others", "a landed wonder fish"] {
            assert_eq!(check(typed, &context), Ok(()), "{typed}");
        }
        assert_eq!(check("gfqzkwvu", &["", "@", "...", "@@"]), Ok(()), "empty words mean nothing");
    }
}
