//! The string classes of PRECIS (RFC 8264), brought up to the present Unicode: what user names and passwords may hold.

use precis_core::{DerivedPropertyValue, FreeformClass, IdentifierClass, StringClass};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use zeroize::Zeroizing;

/// A string class of RFC 8264 §4.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    /// §4.2: letters, digits and printable ASCII; for names.
    Identifier,
    /// §4.3: also spaces, symbols and punctuation; for passwords.
    Freeform,
}

impl Class {
    /// Whether every character of `text` belongs to the class where it stands.
    ///
    /// `precis-core` knows Unicode 6.3, the version of the IANA registry, in which 🦀 is not assigned. RFC 8264 §8 derives
    /// the class of a character from its properties, so characters assigned since are judged here by the same rules. The
    /// rules of context (RFC 5892 appendix A) then see a plain letter in their place, which can only make them stricter.
    pub(crate) fn allows(self, text: &str) -> bool {
        if text.chars().filter(|c| needs_context(*c)).count() > MAX_IN_CONTEXT {
            return false;
        }
        // The text may be a password: the copy is as long at most, so it never grows, and it is wiped.
        let mut known = Zeroizing::new(String::with_capacity(text.len()));
        known.extend(text.chars().map(|c| if self.is_newly_assigned(c) { STAND_IN } else { c }));
        match self {
            Self::Identifier => IdentifierClass::default().allows(known.as_str()).is_ok(),
            Self::Freeform => FreeformClass::default().allows(known.as_str()).is_ok(),
        }
    }

    /// Whether `c` is of this class and was assigned after Unicode 6.3 (RFC 8264 §8, from "Unassigned" on).
    fn is_newly_assigned(self, c: char) -> bool {
        if FreeformClass::default().get_value_from_char(c) != DerivedPropertyValue::Unassigned || is_ignorable(c) {
            return false;
        }
        match self {
            Self::Identifier => is_letter_or_digit(c) && !has_compatibility_form(c),
            Self::Freeform => {
                !matches!(c.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator)
                    || c.general_category() == GeneralCategory::SpaceSeparator
            }
        }
    }
}

/// The most characters that may need context: for each, the whole text is looked through.
const MAX_IN_CONTEXT: usize = 64;

/// Whether a rule of context mentions `c` (RFC 5892 appendix A).
fn needs_context(c: char) -> bool {
    matches!(c, '\u{b7}' | '\u{375}' | '\u{5f3}' | '\u{5f4}' | '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{200c}' | '\u{200d}' | '\u{30fb}')
}

/// A letter of both classes that no rule of context mentions.
const STAND_IN: char = 'a';

/// `PrecisIgnorableProperties` (RFC 8264 §9.13) among what Unicode 6.3 left unassigned, but for format characters.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{180f}' | '\u{2065}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

/// `LetterDigits` (RFC 8264 §9.1).
fn is_letter_or_digit(c: char) -> bool {
    matches!(
        c.general_category(),
        GeneralCategory::LowercaseLetter
            | GeneralCategory::UppercaseLetter
            | GeneralCategory::OtherLetter
            | GeneralCategory::DecimalNumber
            | GeneralCategory::ModifierLetter
            | GeneralCategory::NonspacingMark
            | GeneralCategory::SpacingMark
    )
}

/// `HasCompat` (RFC 8264 §9.17).
fn has_compatibility_form(c: char) -> bool {
    !std::iter::once(c).nfkc().eq(std::iter::once(c))
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn d8_characters_newer_than_the_registry_are_judged_by_their_properties() {
        for (text, identifier, freeform) in [
            ("🦀", false, true),          // Unicode 8: a symbol
            ("\u{1e900}", true, true),    // Unicode 9: an Adlam capital letter
            ("\u{30000}", true, true),    // Unicode 13: a Han character
            ("\u{180f}", false, false),   // Unicode 14: a variation selector
            ("\u{1bca0}", false, false),  // Unicode 7: a format control
            ("\u{13430}", false, false),  // Unicode 12: a format control
            ("\u{e0080}", false, false),  // not assigned, and ignorable
            ("\u{50000}", false, false),  // not assigned
            ("🦀\u{200d}", false, false), // a joiner still wants its context
            ("l\u{b7}🦀", false, false),  // and so does the middle dot
            ("\u{1ee00}", false, true),   // Unicode 6.1: a compatibility form, known to the registry
            ("\u{1ccd6}", false, true),   // Unicode 16: a compatibility form, outlined A
        ] {
            assert_eq!(Class::Identifier.allows(text), identifier, "{text:?} as identifier");
            assert_eq!(Class::Freeform.allows(text), freeform, "{text:?} as free form");
        }
    }
}
